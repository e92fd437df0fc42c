# Its key is not made here, because Terraform would write it into the state.
resource "google_service_account" "consumer" {
  account_id   = "${var.name}-consumer"
  display_name = "Millrace's consumer"
}

# Objects and nothing else: what the consumer does itself, and what the URLs do that it presigns for the workers. No condition
# on the two prefixes: listing is a permission on the bucket, and without it an object that is not there is answered with 403.
resource "google_storage_bucket_iam_member" "consumer" {
  bucket = google_storage_bucket.videos.name
  role   = "roles/storage.objectUser"
  member = google_service_account.consumer.member
}

# For `millrace doctor` alone, which looks whether the bucket tells the topic: storage.buckets.get.
resource "google_storage_bucket_iam_member" "consumer_looks_at_notifications" {
  bucket = google_storage_bucket.videos.name
  role   = "roles/storage.legacyBucketReader"
  member = google_service_account.consumer.member
}

locals {
  # The dead letters' too: for `millrace dead-letters`.
  subscriptions = {
    events       = google_pubsub_subscription.events.name
    dead_letters = google_pubsub_subscription.dead_letters.name
  }
}

resource "google_pubsub_subscription_iam_member" "consumer_receives" {
  for_each = local.subscriptions

  subscription = each.value
  role         = "roles/pubsub.subscriber"
  member       = google_service_account.consumer.member
}

# Reads the dead-letter policy, which a subscriber may not.
resource "google_pubsub_subscription_iam_member" "consumer_looks" {
  for_each = local.subscriptions

  subscription = each.value
  role         = "roles/pubsub.viewer"
  member       = google_service_account.consumer.member
}

# Puts aside what can never be read.
resource "google_pubsub_topic_iam_member" "consumer_dead_letters" {
  topic  = google_pubsub_topic.dead_letters.name
  role   = "roles/pubsub.publisher"
  member = google_service_account.consumer.member
}

resource "google_pubsub_topic_iam_member" "consumer_replays" {
  count = var.replay ? 1 : 0

  topic  = google_pubsub_topic.events.name
  role   = "roles/pubsub.publisher"
  member = google_service_account.consumer.member
}

# Without a key, IAM signs the URLs, and the account has to ask it for a signature of its own.
resource "google_service_account_iam_member" "consumer_signs" {
  count = var.identity == "attached" ? 1 : 0

  service_account_id = google_service_account.consumer.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = google_service_account.consumer.member
}
