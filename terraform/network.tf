# The VPC: yours, or one with a public and a private subnet in each zone. Functions, database and Redis are in the private ones.

data "aws_availability_zones" "available" {
  count = var.network == null ? 1 : 0
  state = "available"
}

locals {
  zones = var.network == null ? slice(data.aws_availability_zones.available[0].names, 0, var.availability_zones) : []

  network = var.network != null ? var.network : {
    vpc_id             = aws_vpc.main[0].id
    private_subnet_ids = [for zone in local.zones : aws_subnet.private[zone].id]
    public_subnet_ids  = [for zone in local.zones : aws_subnet.public[zone].id]
  }
  balancer_subnet_ids = var.internal ? local.network.private_subnet_ids : local.network.public_subnet_ids
  gateways            = var.single_nat_gateway ? slice(local.zones, 0, min(1, length(local.zones))) : local.zones
}

# The balancer's addresses are in these; ws-ingest believes their X-Forwarded-For.
data "aws_subnet" "balancer" {
  count = length(coalesce(var.internal ? try(var.network.private_subnet_ids, []) : try(var.network.public_subnet_ids, []), []))
  id    = (var.internal ? var.network.private_subnet_ids : var.network.public_subnet_ids)[count.index]
}

locals {
  balancer_cidrs = var.network != null ? data.aws_subnet.balancer[*].cidr_block : [
    for zone in local.zones : var.internal ? aws_subnet.private[zone].cidr_block : aws_subnet.public[zone].cidr_block
  ]
}

resource "aws_vpc" "main" {
  count = var.network == null ? 1 : 0

  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# Nothing of ours uses it; it lets nothing through.
resource "aws_default_security_group" "main" {
  count  = var.network == null ? 1 : 0
  vpc_id = aws_vpc.main[0].id
}

resource "aws_subnet" "public" {
  for_each = toset(local.zones)

  vpc_id            = aws_vpc.main[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, index(local.zones, each.key))

  tags = { Name = "${var.name}-public-${each.key}" }
}

resource "aws_subnet" "private" {
  for_each = toset(local.zones)

  vpc_id            = aws_vpc.main[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, 8 + index(local.zones, each.key))

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_internet_gateway" "main" {
  count  = var.network == null ? 1 : 0
  vpc_id = aws_vpc.main[0].id

  tags = { Name = var.name }
}

resource "aws_route_table" "public" {
  count  = var.network == null ? 1 : 0
  vpc_id = aws_vpc.main[0].id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.main[0].id
  }

  tags = { Name = "${var.name}-public" }
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_eip" "nat" {
  for_each = toset(local.gateways)
  domain   = "vpc"

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_nat_gateway" "main" {
  for_each = toset(local.gateways)

  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id

  tags = { Name = "${var.name}-${each.key}" }

  depends_on = [aws_internet_gateway.main]
}

resource "aws_route_table" "private" {
  for_each = toset(local.zones)
  vpc_id   = aws_vpc.main[0].id

  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = aws_nat_gateway.main[var.single_nat_gateway ? local.gateways[0] : each.key].id
  }

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private[each.key].id
}

# Images come from S3: this way they cost nothing at the NAT gateway.
resource "aws_vpc_endpoint" "s3" {
  count = var.network == null ? 1 : 0

  vpc_id          = aws_vpc.main[0].id
  service_name    = "com.amazonaws.${data.aws_region.current.region}.s3"
  route_table_ids = [for table in aws_route_table.private : table.id]

  tags = { Name = "${var.name}-s3" }
}
