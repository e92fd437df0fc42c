resource "cloudflare_r2_bucket" "videos" {
  account_id   = var.account_id
  name         = var.bucket_name
  location     = var.location
  jurisdiction = var.jurisdiction
}

# This resource is the bucket's whole list of rules: R2's own, which aborts uploads after a week, goes.
resource "cloudflare_r2_bucket_lifecycle" "videos" {
  account_id   = var.account_id
  bucket_name  = cloudflare_r2_bucket.videos.name
  jurisdiction = var.jurisdiction

  rules = [{
    id      = "abort-unfinished-uploads"
    enabled = true
    conditions = {
      prefix = ""
    }
    abort_multipart_uploads_transition = {
      condition = {
        type = "Age"
        # In seconds.
        max_age = var.abort_multipart_after_days * local.day_seconds
      }
    }
  }]
}

resource "cloudflare_r2_bucket_event_notification" "videos" {
  account_id   = var.account_id
  bucket_name  = cloudflare_r2_bucket.videos.name
  jurisdiction = var.jurisdiction
  queue_id     = cloudflare_queue.events.queue_id

  # One rule: R2 refuses two whose prefixes overlap, even for different actions.
  rules = [{
    description = "millrace"
    prefix      = local.pipelines_prefix
    actions     = ["PutObject", "CopyObject", "CompleteMultipartUpload", "DeleteObject", "LifecycleDeletion"]
  }]
}
