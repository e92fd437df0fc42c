terraform {
  required_version = ">= 1.11.4"

  required_providers {
    cloudflare = {
      source = "cloudflare/cloudflare"
      # The names of the arguments are those of 5.14.0. Later ones of 5 no longer replace a queue's consumer at every apply.
      version = "~> 5.14"
    }
  }
}

# Reads CLOUDFLARE_API_TOKEN.
provider "cloudflare" {}

locals {
  # The default of MILLRACE_PIPELINES_PREFIX. The slash matters: without it the state beside the jobs, pipelines-state/,
  # would match too, and every claim would wake the job that it belongs to.
  pipelines_prefix = "pipelines/"

  day_seconds = 24 * 3600
}
