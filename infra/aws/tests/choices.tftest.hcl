# `terraform test`: what the variables choose, with AWS mocked. Applied for real (to an emulator) by tests/conformance/infra.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { dns_suffix = "amazonaws.com" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::videos-of-ours" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:123456789012:millrace" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/millrace-consumer" }
  }
}

variables {
  bucket_name = "videos-of-ours"
  region      = "eu-west-1"
}

run "a_user_unless_told_otherwise" {
  assert {
    condition     = length(aws_iam_user.consumer) == 1 && length(aws_iam_role.consumer) == 0
    error_message = "the default is a user, because the URLs that a role signs end with its session"
  }
  assert {
    condition     = output.consumer == "millrace-consumer"
    error_message = "the output names the user"
  }
}

run "the_endpoint_is_the_regions_own" {
  assert {
    condition     = output.environment.S3_ENDPOINT_URL == "https://s3.eu-west-1.amazonaws.com" && output.environment.S3_REGION == "eu-west-1"
    error_message = "requests are signed for the region of the endpoint"
  }
}

run "only_this_bucket_of_this_account_may_send" {
  assert {
    condition = jsondecode(aws_sqs_queue_policy.events.policy).Statement[*].Condition == [{
      ArnEquals    = { "aws:SourceArn" = "arn:aws:s3:::videos-of-ours" }
      StringEquals = { "aws:SourceAccount" = "123456789012" }
    }]
    error_message = "the queue's policy is pinned to the bucket and to the account"
  }
}

run "a_role_for_containers" {
  variables {
    identity = "role"
  }
  assert {
    condition     = length(aws_iam_user.consumer) == 0 && length(aws_iam_role_policy_attachment.consumer) == 1 && length(aws_iam_instance_profile.consumer) == 0
    error_message = "a role with the policy, and no user"
  }
}

run "a_role_for_machines" {
  variables {
    identity     = "role"
    role_service = "ec2.amazonaws.com"
  }
  assert {
    condition     = length(aws_iam_instance_profile.consumer) == 1
    error_message = "a machine takes its role by an instance profile"
  }
}

run "nobody" {
  variables {
    identity = "none"
  }
  assert {
    condition     = output.consumer == null && output.consumer_policy_arn != null
    error_message = "the policy alone, for an identity made elsewhere"
  }
}

run "no_dots_in_the_buckets_name" {
  command = plan
  variables {
    bucket_name = "videos.example.com"
  }
  expect_failures = [var.bucket_name]
}

run "no_other_identity" {
  command = plan
  variables {
    identity = "root"
  }
  expect_failures = [var.identity]
}
