resource "cloudflare_queue" "events" {
  account_id = var.account_id
  queue_name = var.name

  settings = {
    message_retention_period = var.retention_days * local.day_seconds
  }
}

# Without a consumer of its own: Millrace looks at dead letters and removes them without pulling, because each pull counts as
# an attempt, and a queue deletes what was pulled too often.
resource "cloudflare_queue" "dead_letters" {
  account_id = var.account_id
  queue_name = "${var.name}-dead-letters"

  settings = {
    message_retention_period = var.dead_letter_retention_days * local.day_seconds
  }
}

resource "cloudflare_queue_consumer" "events" {
  account_id = var.account_id
  queue_id   = cloudflare_queue.events.queue_id
  type       = "http_pull"
  # By name. Without it the queue deletes what was retried too often.
  dead_letter_queue = cloudflare_queue.dead_letters.queue_name

  settings = {
    # Retries, not attempts: a message is pulled five times.
    max_retries           = 4
    visibility_timeout_ms = 60000
  }
}
