# What the consumer does itself, and what the URLs do that it presigns for the workers: those have the signer's rights.
resource "aws_iam_policy" "consumer" {
  name        = "${var.name}-consumer"
  description = "Millrace's consumer: its two folders of the bucket, its queue, and putting dead letters aside."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Not for listing alone: without it S3 answers 403 instead of 404 for an object that is not there. A condition on
        # s3:prefix is left out on purpose: a HEAD has no prefix, and might then be answered with 403.
        Sid      = "List"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = aws_s3_bucket.videos.arn
      },
      {
        # For `millrace doctor` alone, which looks whether the bucket tells the queue.
        Sid      = "LookAtNotification"
        Effect   = "Allow"
        Action   = "s3:GetBucketNotification"
        Resource = aws_s3_bucket.videos.arn
      },
      {
        Sid    = "Objects"
        Effect = "Allow"
        # Aborting is for large uploads of `millrace submit` that were interrupted.
        Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        Resource = [
          "${aws_s3_bucket.videos.arn}/${local.pipelines_prefix}*",
          "${aws_s3_bucket.videos.arn}/${local.state_prefix}*",
        ]
      },
      {
        Sid      = "Queue"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
        Resource = aws_sqs_queue.events.arn
      },
      {
        Sid      = "DeadLetters"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage", "sqs:GetQueueAttributes"]
        Resource = aws_sqs_queue.dead_letters.arn
      },
    ]
  })
}

# Its access key is not made here, because Terraform would write it into the state.
resource "aws_iam_user" "consumer" {
  count = var.identity == "user" ? 1 : 0
  name  = "${var.name}-consumer"
}

resource "aws_iam_user_policy_attachment" "consumer" {
  count      = var.identity == "user" ? 1 : 0
  user       = aws_iam_user.consumer[0].name
  policy_arn = aws_iam_policy.consumer.arn
}

resource "aws_iam_role" "consumer" {
  count = var.identity == "role" ? 1 : 0
  name  = "${var.name}-consumer"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = var.role_service }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "consumer" {
  count      = var.identity == "role" ? 1 : 0
  role       = aws_iam_role.consumer[0].name
  policy_arn = aws_iam_policy.consumer.arn
}

resource "aws_iam_instance_profile" "consumer" {
  count = var.identity == "role" && var.role_service == "ec2.amazonaws.com" ? 1 : 0
  name  = "${var.name}-consumer"
  role  = aws_iam_role.consumer[0].name
}
