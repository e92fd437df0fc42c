terraform {
  required_version = ">= 1.11.4"

  required_providers {
    google = {
      source = "hashicorp/google"
      # The names of the arguments are those of 6.50.
      version = "~> 6.50"
    }
  }
}

provider "google" {
  project = var.project_id
}

locals {
  # The default of MILLRACE_PIPELINES_PREFIX. The slash matters: without it the state beside the jobs, pipelines-state/,
  # would match too, and every claim would wake the job that it belongs to.
  pipelines_prefix = "pipelines/"

  day_seconds = 24 * 3600
}
