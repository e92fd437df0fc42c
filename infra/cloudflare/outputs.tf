locals {
  queues_url = "https://api.cloudflare.com/client/v4/accounts/${var.account_id}/queues"
  # A bucket of a jurisdiction answers under its own name only.
  endpoint = var.jurisdiction == "default" ? var.account_id : "${var.account_id}.${var.jurisdiction}"

  environment = {
    VIDEOS_BUCKET                  = "s3://${cloudflare_r2_bucket.videos.name}"
    S3_ENDPOINT_URL                = "https://${local.endpoint}.r2.cloudflarestorage.com"
    S3_REGION                      = "auto"
    S3_ADDRESSING_STYLE            = "path"
    MILLRACE_QUEUE_URL             = "${local.queues_url}/${cloudflare_queue.events.queue_id}"
    MILLRACE_DEAD_LETTER_QUEUE_URL = "${local.queues_url}/${cloudflare_queue.dead_letters.queue_id}"
  }
}

output "environment" {
  description = "The consumer's settings, but for its tokens and RunPod's."
  value       = local.environment
}

output "environment_file" {
  description = "The same as lines of NAME=value, for a shell, Docker or systemd."
  value       = join("", [for name, value in local.environment : "${name}=${value}\n"])
}
