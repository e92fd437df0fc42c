locals {
  # Pub/Sub's own account in this project, which moves what failed too often.
  pubsub_agent = "serviceAccount:service-${google_storage_bucket.videos.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic" "events" {
  name   = var.name
  labels = var.labels
}

resource "google_pubsub_topic" "dead_letters" {
  name   = "${var.name}-dead-letters"
  labels = var.labels
}

resource "google_pubsub_subscription" "events" {
  name                       = var.name
  topic                      = google_pubsub_topic.events.id
  labels                     = var.labels
  ack_deadline_seconds       = 60
  message_retention_duration = "${4 * local.day_seconds}s"

  # No retry policy: a consumer that fails holds the message for its own delay, and a second one would come on top of it.

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = 5
  }

  # Never: a subscription that nobody reads for a month would be deleted.
  expiration_policy {
    ttl = ""
  }

  # What is dead-lettered while that topic has no subscription is lost.
  depends_on = [google_pubsub_subscription.dead_letters]
}

resource "google_pubsub_subscription" "dead_letters" {
  name                 = "${var.name}-dead-letters"
  topic                = google_pubsub_topic.dead_letters.id
  labels               = var.labels
  ack_deadline_seconds = 60
  # Longer than the other's, because somebody has to look at them.
  message_retention_duration = "${14 * local.day_seconds}s"

  expiration_policy {
    ttl = ""
  }
}

# Dead-lettering is a publish to one topic and an acknowledgement on the other's subscription. Without these two grants Pub/Sub
# says nothing, and goes on delivering what fails.
resource "google_pubsub_topic_iam_member" "agent_dead_letters" {
  topic  = google_pubsub_topic.dead_letters.name
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "agent_acknowledges" {
  subscription = google_pubsub_subscription.events.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}
