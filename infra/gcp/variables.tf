variable "project_id" {
  description = "The project in which everything is made."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "Expected a project's id (not its name or number)."
  }
}

variable "bucket_name" {
  description = "The bucket to make. Bucket names are shared by all of Google Cloud: put something of yours into it."
  type        = string

  validation {
    # A name with a dot is a domain's, and has to be proved to be yours.
    condition     = can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "Expected 3 to 63 of a-z, 0-9, - and _, starting and ending with a letter or digit, and no dots."
  }
}

variable "location" {
  description = "Where the bucket lies: a region such as EUROPE-WEST1, or EU, US or ASIA."
  type        = string
  default     = "US"
}

variable "name" {
  description = "What the topic, its subscription and the consumer's account are called; those of the dead letters have -dead-letters behind it."
  type        = string
  default     = "millrace"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}[a-z0-9]$", var.name))
    error_message = "Expected 4 to 20 of a-z, 0-9 and -, starting with a letter and not ending with -."
  }
}

variable "identity" {
  description = "How the consumer is the service account that is made for it: \"key\" (a key file), or \"attached\" (it runs on Google Cloud as that account; read the README about presigned URLs first)."
  type        = string
  default     = "key"

  validation {
    condition     = contains(["key", "attached"], var.identity)
    error_message = "Expected key or attached."
  }
}

variable "replay" {
  description = "May the consumer's account send dead letters again? For `millrace dead-letters replay` with its credentials."
  type        = bool
  default     = false
}

variable "abort_multipart_after_days" {
  description = "Multipart uploads (of other programs, through the XML API) that were never finished are paid for until they are aborted."
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

variable "alarm_channels" {
  description = "Notification channels that the alarms tell (projects/<project>/notificationChannels/<id>). Without any, alarms are only seen in Cloud Monitoring."
  type        = list(string)
  default     = []
}

variable "labels" {
  description = "Labels for the bucket, the topics and the subscriptions."
  type        = map(string)
  default     = {}
}
