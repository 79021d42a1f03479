# Passwords are made while applying and sent to where they are needed; neither the plan nor the state holds them.

ephemeral "random_bytes" "passwords" {
  for_each = toset(["owner", "flush", "query", "admin", "redis"])

  length = 32
}

locals {
  # Hexadecimal digits mean the same in a URL.
  password = { for user, bytes in ephemeral.random_bytes.passwords : user => bytes.hex }
}
