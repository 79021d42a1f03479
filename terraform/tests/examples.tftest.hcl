# The examples are whole configurations, as somebody would begin with.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "minimal" {
  module {
    source = "./examples/minimal"
  }

  assert {
    condition     = output.host != ""
    error_message = "There must be a host to point a name at."
  }
}

run "complete" {
  module {
    source = "./examples/complete"
  }

  assert {
    condition     = strcontains(output.migrate_command, "subnets=[subnet-0123456789abcdef0,subnet-0123456789abcdef1]")
    error_message = "migrate must run in the given subnets, and the command is ${output.migrate_command}."
  }
}
