variable "bucket_name" {
  description = "The bucket to make. Bucket names are shared by all of AWS: put something of yours into it."
  type        = string

  validation {
    # A dot would put the bucket outside the certificate of *.s3.<region>.amazonaws.com.
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "Expected 3 to 63 of a-z, 0-9 and -, with no - at either end, and no dots."
  }
}

variable "region" {
  description = "Where everything is made."
  type        = string
  default     = "us-east-1"
}

variable "name" {
  description = "What the queues, alarms and the consumer's identity are called."
  type        = string
  default     = "millrace"

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]{0,39}$", var.name))
    error_message = "Expected 1 to 40 of A-Z, a-z, 0-9 and -, not starting with -."
  }
}

variable "identity" {
  description = "Who the consumer is: \"user\" (long-lived keys), \"role\" (for a consumer that runs on AWS; read the README about presigned URLs first), or \"none\" (attach the policy yourself)."
  type        = string
  default     = "user"

  validation {
    condition     = contains(["user", "role", "none"], var.identity)
    error_message = "Expected user, role or none."
  }
}

variable "role_service" {
  description = "With identity = \"role\": the AWS service that the consumer runs in."
  type        = string
  default     = "ecs-tasks.amazonaws.com"

  validation {
    condition     = contains(["ecs-tasks.amazonaws.com", "ec2.amazonaws.com"], var.role_service)
    error_message = "Expected ecs-tasks.amazonaws.com or ec2.amazonaws.com."
  }
}

variable "abort_multipart_after_days" {
  description = "Uploads that were begun and never finished are paid for until they are aborted."
  type        = number
  default     = 3

  validation {
    condition     = var.abort_multipart_after_days >= 1
    error_message = "Expected at least 1 day."
  }
}

variable "oldest_message_alarm_seconds" {
  description = "How old the oldest message may be before the alarm goes off. One retry waits up to 900 seconds."
  type        = number
  default     = 1800
}

variable "alarm_topic_arns" {
  description = "SNS topics that the alarms tell. Without any, alarms are only seen in CloudWatch."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags for everything that is made."
  type        = map(string)
  default     = {}
}
