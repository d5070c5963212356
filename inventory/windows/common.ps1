# Both scripts begin with this: how a section is printed and how Windows's
# objects are brought into the form of CONTRACT.md. Every property is named and
# cast, because ConvertTo-Json of Windows PowerShell 5.1 makes a mess of CIM
# instances.
param($Doc)

function Format-Section([string]$Part, [string]$Of, [object[]]$Items) {
    $from = 0
    do {
        $chunk = @()
        if ($Items.Count -gt 0) {
            $chunk = @($Items[$from..([Math]::Min($from + 499, $Items.Count - 1))])
        }
        ConvertTo-Json -InputObject @{ part = $Part; of = $Of; items = $chunk } -Compress -Depth 5
        $from += 500
    } while ($from -lt $Items.Count)
}

function Get-Fault($Record) {
    return @{
        errorId  = [string]$Record.FullyQualifiedErrorId
        category = [string]$Record.CategoryInfo.Category
        message  = [string]$Record.Exception.Message
    }
}

function Format-Fault([string]$Part, [string]$Of, $Record) {
    ConvertTo-Json -InputObject @{ part = $Part; of = $Of; error = (Get-Fault $Record) } -Compress -Depth 5
}

# A record's data as text, $null for a type that provost does not deal with.
function Get-RecordValue($Record) {
    $data = $Record.RecordData
    switch ([string]$Record.RecordType) {
        'A' {
            return [string]$data.IPv4Address
        }
        'AAAA' {
            return [string]$data.IPv6Address
        }
        'CNAME' {
            return [string]$data.HostNameAlias
        }
        'PTR' {
            return [string]$data.PtrDomainName
        }
        'TXT' {
            return [string]$data.DescriptiveText
        }
    }
    return $null
}

# A MAC in one form, however it was written; what is none, such as a DUID or a
# filter's pattern, in lower case.
function Format-Mac([string]$Id) {
    $digits = $Id -replace '[-:. ]', ''
    if ($digits -notmatch '^[0-9A-Fa-f]{12}$') {
        return $Id.ToLowerInvariant()
    }
    return ($digits -replace '(..)(?!$)', '$1-').ToLowerInvariant()
}

# The records of a zone with the CIM instance that each was read from.
function Read-Zone([string]$Zone) {
    $get = @{ ZoneName = $Zone }
    foreach ($record in @(Get-DnsServerResourceRecord @get)) {
        $value = Get-RecordValue $record
        if ($null -ne $value) {
            @{
                name   = [string]$record.HostName
                type   = ([string]$record.RecordType).ToUpperInvariant()
                value  = $value
                ttl    = [int64]$record.TimeToLive.TotalSeconds
                static = ($null -eq $record.Timestamp)
                raw    = $record
            }
        }
    }
}

function Read-Reservation([string]$Scope) {
    $get = @{ ScopeId = $Scope }
    foreach ($found in @(Get-DhcpServerv4Reservation @get)) {
        @{
            ip          = [string]$found.IPAddress
            clientId    = Format-Mac ([string]$found.ClientId)
            name        = [string]$found.Name
            description = [string]$found.Description
        }
    }
}

function Read-Filter {
    foreach ($found in @(Get-DhcpServerv4Filter)) {
        @{
            mac         = Format-Mac ([string]$found.MacAddress)
            list        = ([string]$found.List).ToLowerInvariant()
            description = [string]$found.Description
        }
    }
}
