# Prints what stands: records of the zones asked for, and scopes, reservations,
# leases and filters. Each part is read by one cmdlet; one that cannot be read
# is printed with its error, and the rest goes on.

function Write-ZoneSections([string]$Zone) {
    try {
        $get = @{ Name = $Zone }
        $found = Get-DnsServerZone @get
        Format-Section 'zone' $Zone @(@{
            type       = [string]$found.ZoneType
            integrated = [bool]$found.IsDsIntegrated
            reverse    = [bool]$found.IsReverseLookupZone
        })
    } catch {
        Format-Fault 'zone' $Zone $_
    }
    try {
        $items = @(Read-Zone $Zone | ForEach-Object -Process {
            @{ name = $_.name; type = $_.type; value = $_.value; ttl = $_.ttl; static = $_.static }
        })
        Format-Section 'records' $Zone $items
    } catch {
        Format-Fault 'records' $Zone $_
    }
}

function Write-ScopeSections($Scope) {
    $id = [string]$Scope.ScopeId
    Format-Section 'scope' $id @(@{
        name  = [string]$Scope.Name
        start = [string]$Scope.StartRange
        end   = [string]$Scope.EndRange
        mask  = [string]$Scope.SubnetMask
        state = [string]$Scope.State
    })
    try {
        Format-Section 'reservations' $id @(Read-Reservation $id)
    } catch {
        Format-Fault 'reservations' $id $_
    }
    try {
        $get = @{ ScopeId = $id }
        $items = @(Get-DhcpServerv4Lease @get | ForEach-Object -Process {
            @{
                ip       = [string]$_.IPAddress
                clientId = Format-Mac ([string]$_.ClientId)
                hostName = [string]$_.HostName
                state    = [string]$_.AddressState
            }
        })
        Format-Section 'leases' $id $items
    } catch {
        Format-Fault 'leases' $id $_
    }
}

function Write-WantedScopes([string[]]$Ids) {
    Format-Section 'scopes' '' $Ids
    foreach ($id in $Ids) {
        try {
            $get = @{ ScopeId = $id }
            Write-ScopeSections (Get-DhcpServerv4Scope @get)
        } catch {
            Format-Fault 'scope' $id $_
        }
    }
}

function Write-AllScopes {
    try {
        $found = @(Get-DhcpServerv4Scope)
    } catch {
        Format-Fault 'scopes' '' $_
        return
    }
    Format-Section 'scopes' '' @($found | ForEach-Object -Process { [string]$_.ScopeId })
    foreach ($scope in $found) {
        Write-ScopeSections $scope
    }
}

function Write-FilterSections {
    try {
        Format-Section 'filters' '' @(Read-Filter)
    } catch {
        Format-Fault 'filters' '' $_
    }
    try {
        $lists = Get-DhcpServerv4FilterList
        Format-Section 'filterlist' '' @(@{ allow = [bool]$lists.Allow; deny = [bool]$lists.Deny })
    } catch {
        Format-Fault 'filterlist' '' $_
    }
}

foreach ($zone in $Doc.zones) {
    Write-ZoneSections ([string]$zone)
}
if ($Doc.dhcp) {
    $ids = @($Doc.scopes | ForEach-Object -Process { [string]$_ })
    if ($ids.Count -gt 0) {
        Write-WantedScopes $ids
    } else {
        Write-AllScopes
    }
    Write-FilterSections
}
