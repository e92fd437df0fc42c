locals {
  environment = {
    VIDEOS_BUCKET                  = "s3://${aws_s3_bucket.videos.id}"
    S3_ENDPOINT_URL                = "https://s3.${var.region}.${data.aws_partition.current.dns_suffix}"
    S3_REGION                      = var.region
    S3_ADDRESSING_STYLE            = "virtual"
    MILLRACE_QUEUE_URL             = aws_sqs_queue.events.url
    MILLRACE_DEAD_LETTER_QUEUE_URL = aws_sqs_queue.dead_letters.url
  }
}

output "environment" {
  description = "The consumer's settings, but for its keys and RunPod's."
  value       = local.environment
}

output "environment_file" {
  description = "The same as lines of NAME=value, for a shell, Docker or systemd."
  value       = join("", [for name, value in local.environment : "${name}=${value}\n"])
}

output "consumer" {
  description = "The name of the user or role that the consumer is to be; null with identity = \"none\"."
  value       = one(concat(aws_iam_user.consumer[*].name, aws_iam_role.consumer[*].name))
}

output "consumer_policy_arn" {
  description = "The policy that the consumer needs, for an identity of your own."
  value       = aws_iam_policy.consumer.arn
}
