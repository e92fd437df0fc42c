resource "google_monitoring_alert_policy" "oldest_message" {
  display_name          = "${var.name}: oldest message"
  combiner              = "OR"
  notification_channels = var.alarm_channels

  documentation {
    content = "Events wait: no consumer runs, or it cannot reach the bucket, or one job fails again and again. millrace doctor says which."
  }

  conditions {
    display_name = "An event has waited too long"

    condition_threshold {
      filter          = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${google_pubsub_subscription.events.name}\" AND metric.type = \"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
      comparison      = "COMPARISON_GT"
      threshold_value = var.oldest_message_alarm_seconds
      duration        = "300s"

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }
}

resource "google_monitoring_alert_policy" "dead_letters" {
  display_name          = "${var.name}: dead letters"
  combiner              = "OR"
  notification_channels = var.alarm_channels

  documentation {
    content = "There are messages that nobody could read, or that failed five times: millrace dead-letters list."
  }

  conditions {
    display_name = "There is a dead letter"

    condition_threshold {
      filter          = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${google_pubsub_subscription.dead_letters.name}\" AND metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }
}
