variable "account_id" {
  description = "The Cloudflare account in which everything is made."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{32}$", var.account_id))
    error_message = "Expected 32 hexadecimal digits, as the dashboard's address shows them."
  }
}

variable "bucket_name" {
  description = "The bucket to make."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "Expected 3 to 63 of a-z, 0-9 and -, with no - at either end."
  }
}

variable "location" {
  description = "Where the bucket should lie: apac, eeur, enam, weur, wnam or oc. Null leaves it to Cloudflare. A hint: R2 may decide otherwise."
  type        = string
  default     = null

  validation {
    condition     = var.location == null || contains(["apac", "eeur", "enam", "weur", "wnam", "oc"], coalesce(var.location, "-"))
    error_message = "Expected apac, eeur, enam, weur, wnam or oc."
  }
}

variable "jurisdiction" {
  description = "Where the bucket is guaranteed to lie: \"default\" (no guarantee), \"eu\" or \"fedramp\". It changes the endpoint."
  type        = string
  default     = "default"

  validation {
    condition     = contains(["default", "eu", "fedramp"], var.jurisdiction)
    error_message = "Expected default, eu or fedramp."
  }
}

variable "name" {
  description = "The queue's name; the dead-letter queue has -dead-letters behind it."
  type        = string
  default     = "millrace"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,39}$", var.name))
    error_message = "Expected 1 to 40 of a-z, 0-9 and -, not starting with -."
  }
}

variable "retention_days" {
  description = "How long the queue keeps what nobody has taken. The free plan takes 1."
  type        = number
  default     = 4

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 14
    error_message = "Expected 1 to 14 days."
  }
}

variable "dead_letter_retention_days" {
  description = "How long dead letters are kept. Somebody has to look at them: give them the longer time. The free plan takes 1."
  type        = number
  default     = 14

  validation {
    condition     = var.dead_letter_retention_days >= 1 && var.dead_letter_retention_days <= 14
    error_message = "Expected 1 to 14 days."
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
