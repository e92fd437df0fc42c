terraform {
  required_version = ">= 1.11.4"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The one that the conformance test applies. Raise it there and here together.
      version = "5.100.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = var.tags
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  # The defaults of MILLRACE_PIPELINES_PREFIX and MILLRACE_STATE_PREFIX. The slash matters: without it the first would
  # match the second too, and every claim would wake the job that it belongs to.
  pipelines_prefix = "pipelines/"
  state_prefix     = "pipelines-state/"
}
