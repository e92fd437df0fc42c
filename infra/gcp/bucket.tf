resource "google_storage_bucket" "videos" {
  name                        = var.bucket_name
  location                    = var.location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  labels                      = var.labels

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = var.abort_multipart_after_days
    }
  }
}

# The agent is made when it is first asked for.
data "google_storage_project_service_account" "agent" {}

resource "google_pubsub_topic_iam_member" "bucket_notifies" {
  topic  = google_pubsub_topic.events.name
  role   = "roles/pubsub.publisher"
  member = data.google_storage_project_service_account.agent.member
}

resource "google_storage_notification" "videos" {
  bucket             = google_storage_bucket.videos.name
  topic              = google_pubsub_topic.events.id
  payload_format     = "JSON_API_V1"
  event_types        = ["OBJECT_FINALIZE", "OBJECT_DELETE"]
  object_name_prefix = local.pipelines_prefix

  # Cloud Storage takes no topic that it may not publish to.
  depends_on = [google_pubsub_topic_iam_member.bucket_notifies]
}
