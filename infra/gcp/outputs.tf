locals {
  # What IAM signs is valid for twelve hours at most.
  attached_environment = {
    MILLRACE_MAX_TTL_SECONDS = "43200"
  }

  environment = merge({
    VIDEOS_BUCKET                  = "gs://${google_storage_bucket.videos.name}"
    MILLRACE_QUEUE_URL             = google_pubsub_subscription.events.id
    MILLRACE_DEAD_LETTER_QUEUE_URL = google_pubsub_subscription.dead_letters.id
  }, var.identity == "attached" ? local.attached_environment : {})
}

output "environment" {
  description = "The consumer's settings, but for its key file and RunPod's."
  value       = local.environment
}

output "environment_file" {
  description = "The same as lines of NAME=value, for a shell, Docker or systemd."
  value       = join("", [for name, value in local.environment : "${name}=${value}\n"])
}

output "consumer" {
  description = "The service account that the consumer is to be."
  value       = google_service_account.consumer.email
}
