locals {
  day_seconds = 24 * 3600
}

resource "aws_sqs_queue" "events" {
  name                       = var.name
  message_retention_seconds  = 4 * local.day_seconds
  visibility_timeout_seconds = 60
  sqs_managed_sse_enabled    = true

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 5
  })
}

# No redrive allow policy: without one, queues of this account alone may send their dead letters here.
resource "aws_sqs_queue" "dead_letters" {
  name = "${var.name}-dead-letters"
  # Longer than the queue's: a dead letter keeps the time of its first sending.
  message_retention_seconds = 14 * local.day_seconds
  sqs_managed_sse_enabled   = true
}

# The ARN alone does not do: it holds no account, and a bucket that was deleted can be made again by somebody else.
resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.url

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "BucketNotifies"
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.events.arn
      Condition = {
        ArnEquals    = { "aws:SourceArn" = aws_s3_bucket.videos.arn }
        StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
      }
    }]
  })
}
