# Makes changes true: compares, acts, reads again, and judges by what then
# stands, never by what a cmdlet said. It touches nothing that is not ours or
# not as expected. Nothing here starts a replication between fail-over partners,
# lets clients update a record, or makes a PTR on the side.

# ---- what both halves share

function New-Note {
    return @{ conflict = ''; changed = $false; fault = $null }
}

function Test-OursText([string]$Text, $Prefixes) {
    foreach ($prefix in $Prefixes) {
        if (($Text + ' ').StartsWith([string]$prefix, [System.StringComparison]::Ordinal)) {
            return $true
        }
    }
    return $false
}

function New-Result($Change, [string]$Status, $Note, $Fault) {
    return @{
        id       = [string]$Change.id
        status   = $Status
        changed  = [bool]$Note.changed
        errorId  = [string]$Fault.errorId
        category = [string]$Fault.category
        message  = [string]$Fault.message
    }
}

# The verdict on a change whose surroundings were read again: $Stands says
# whether all is as asked.
function Get-Verdict($Change, $Note, [bool]$Stands) {
    if ($Note.conflict -ne '') {
        return New-Result $Change 'conflict' $Note @{
            errorId  = 'provost conflict'
            category = 'InvalidOperation'
            message  = $Note.conflict
        }
    }
    if ($Stands) {
        return New-Result $Change 'done' $Note @{}
    }
    if ($null -ne $Note.fault) {
        return New-Result $Change 'failed' $Note $Note.fault
    }
    return New-Result $Change 'failed' $Note @{
        errorId  = 'provost differs'
        category = 'InvalidResult'
        message  = 'was written, but does not stand as asked when read again'
    }
}

# ---- records

function Test-SameValue([string]$Type, [string]$One, [string]$Other) {
    switch ($Type) {
        'A' {
            return ([System.Net.IPAddress]$One).Equals([System.Net.IPAddress]$Other)
        }
        'AAAA' {
            return ([System.Net.IPAddress]$One).Equals([System.Net.IPAddress]$Other)
        }
        'TXT' {
            return $One -ceq $Other
        }
    }
    return $One.TrimEnd('.') -eq $Other.TrimEnd('.')
}

# A zone by name and type. Keys of a hashtable compare without regard to case.
function Read-ZoneIndex([string]$Zone) {
    $index = @{}
    foreach ($record in @(Read-Zone $Zone)) {
        $key = $record.name.TrimEnd('.') + '|' + $record.type
        if (-not $index.ContainsKey($key)) {
            $index[$key] = New-Object -TypeName System.Collections.ArrayList
        }
        [void]$index[$key].Add($record)
    }
    return $index
}

# What a record's change looks at: what stands there, which of it has the value
# wanted or expected, and what the texts beside it say.
function Get-RecordView($Change, $Index) {
    $standing = @($Index[[string]$Change.name + '|' + [string]$Change.type] | Where-Object -FilterScript { $null -ne $_ })
    $texts = @($Index[[string]$Change.mark.name + '|TXT'] | Where-Object -FilterScript { $null -ne $_ })
    $values = @($texts | ForEach-Object -Process { $_.value })
    $view = @{ standing = $standing; same = @(); old = @() }
    if ($null -ne $Change.set) {
        $view.same = @($standing | Where-Object -FilterScript { Test-SameValue $Change.type $_.value $Change.set.value })
    }
    if ($null -ne $Change.expect -and $Change.expect.value -ne '') {
        $view.old = @($standing | Where-Object -FilterScript { Test-SameValue $Change.type $_.value $Change.expect.value })
    }
    $view.ours = @($texts | Where-Object -FilterScript { Test-OursText $_.value $Change.mark.owned })
    $view.missing = @($Change.mark.texts | Where-Object -FilterScript { $values -cnotcontains $_ })
    $view.stale = @($view.ours | Where-Object -FilterScript { $Change.mark.texts -cnotcontains $_.value })
    return $view
}

function Select-Static($Records) {
    return $Records | Where-Object -FilterScript { $_.static } | Select-Object -First 1
}

function Add-Text($Change, $Texts, $Note) {
    foreach ($text in $Texts) {
        $add = @{
            ZoneName        = [string]$Change.zone
            Name            = [string]$Change.mark.name
            Txt             = $true
            DescriptiveText = [string]$text
            TimeToLive      = [timespan]::FromSeconds([int64]$Change.mark.ttl)
        }
        Add-DnsServerResourceRecord @add
        $Note.changed = $true
    }
}

function Add-Record($Change, $Note) {
    $add = @{
        ZoneName = [string]$Change.zone
        Name     = [string]$Change.name
    }
    if ($Change.set.ttl -gt 0) {
        $add['TimeToLive'] = [timespan]::FromSeconds([int64]$Change.set.ttl)
    }
    $value = [string]$Change.set.value
    switch ([string]$Change.type) {
        'A' {
            $add['IPv4Address'] = $value
            Add-DnsServerResourceRecordA @add
        }
        'AAAA' {
            $add['IPv6Address'] = $value
            Add-DnsServerResourceRecordAAAA @add
        }
        'CNAME' {
            $add['HostNameAlias'] = $value + '.'
            Add-DnsServerResourceRecordCName @add
        }
        'PTR' {
            $add['PtrDomainName'] = $value + '.'
            Add-DnsServerResourceRecordPtr @add
        }
        'TXT' {
            $add['Txt'] = $true
            $add['DescriptiveText'] = $value
            Add-DnsServerResourceRecord @add
        }
    }
    $Note.changed = $true
}

# Changes a record in place, so that the name never goes without one.
function Set-Record($Change, $Old, $Note) {
    $new = [ciminstance]::new($Old.raw)
    if ($Change.set.ttl -gt 0) {
        $new.TimeToLive = [timespan]::FromSeconds([int64]$Change.set.ttl)
    }
    if (-not (Test-SameValue $Change.type $Old.value $Change.set.value)) {
        $value = [string]$Change.set.value
        switch ([string]$Change.type) {
            'A' {
                $new.RecordData.IPv4Address = [System.Net.IPAddress]$value
            }
            'AAAA' {
                $new.RecordData.IPv6Address = [System.Net.IPAddress]$value
            }
            'CNAME' {
                $new.RecordData.HostNameAlias = $value + '.'
            }
            'PTR' {
                $new.RecordData.PtrDomainName = $value + '.'
            }
            'TXT' {
                $new.RecordData.DescriptiveText = $value
            }
        }
    }
    $set = @{
        ZoneName       = [string]$Change.zone
        OldInputObject = $Old.raw
        NewInputObject = $new
    }
    Set-DnsServerResourceRecord @set
    $Note.changed = $true
}

# Always by the instance that was read: by name it would take every match.
function Remove-Record($Change, $Records, $Note) {
    foreach ($record in $Records) {
        $remove = @{
            ZoneName    = [string]$Change.zone
            InputObject = $record.raw
            Force       = $true
        }
        Remove-DnsServerResourceRecord @remove
        $Note.changed = $true
    }
}

function Test-SameTtl($Change, $Record) {
    return $Change.set.ttl -le 0 -or $Change.set.ttl -eq $Record.ttl
}

# Completes the mark and then makes the record, or changes $Old. Where somebody
# has made that very record meanwhile, the texts that were added are withdrawn:
# they would make it ours. So they are beside a CNAME, with which nothing can share
# its name: they would speak of a record that never comes.
function Write-MarkedRecord($Change, $View, $Old, $Note) {
    Add-Text $Change $View.missing $Note
    try {
        if ($null -eq $Old) {
            Add-Record $Change $Note
        } elseif (-not (Test-SameValue $Change.type $Old.value $Change.set.value) -or -not (Test-SameTtl $Change $Old)) {
            Set-Record $Change $Old $Note
        }
    } catch {
        if ([string]$_.FullyQualifiedErrorId -match '^WIN32 (9708|9709|9711),') {
            $now = Get-RecordView $Change (Read-ZoneIndex ([string]$Change.zone))
            $added = @($now.ours | Where-Object -FilterScript { $View.missing -ccontains $_.value })
            Remove-Record $Change $added $Note
        }
        throw
    }
}

function Invoke-RecordSet($Change, $View, $Note) {
    $same = Select-Static $View.same
    $old = Select-Static $View.old
    $inPlace = $null -ne $old -and (Test-SameValue $Change.type $old.value $Change.set.value)
    if ($null -ne $same -and $View.missing.Count -eq 0 -and ($null -eq $old -or $inPlace)) {
        if (-not (Test-SameTtl $Change $same)) {
            Set-Record $Change $same $Note
        }
    } elseif ($View.standing.Count -eq 0) {
        Write-MarkedRecord $Change $View $null $Note
    } elseif ($null -ne $old -and $View.ours.Count -gt 0 -and ($inPlace -or $View.same.Count -eq 0)) {
        Write-MarkedRecord $Change $View $old $Note
    } else {
        $Note.conflict = 'something stands there that is not ours, or not as expected'
        return
    }
    Remove-Record $Change $View.stale $Note
}

function Invoke-RecordDelete($Change, $View, $Note) {
    if ($View.old.Count -gt 0) {
        $old = Select-Static $View.old
        if ($null -eq $old -or $View.ours.Count -eq 0) {
            $Note.conflict = 'the record is not ours: it carries no mark, or a client wrote it'
            return
        }
        Remove-Record $Change @($old) $Note
    }
    Remove-Record $Change $View.ours $Note
}

function Invoke-RecordAdopt($Change, $View, $Note) {
    if ($null -eq (Select-Static $View.old)) {
        $Note.conflict = 'the record to adopt does not stand there as expected'
        return
    }
    Add-Text $Change $View.missing $Note
}

function Invoke-RecordChange($Change, $Index, $Note) {
    $view = Get-RecordView $Change $Index
    try {
        if ($Change.adopt) {
            Invoke-RecordAdopt $Change $view $Note
        } elseif ($null -eq $Change.set) {
            Invoke-RecordDelete $Change $view $Note
        } else {
            Invoke-RecordSet $Change $view $Note
        }
    } catch {
        $Note.fault = Get-Fault $_
    }
}

function Test-RecordChange($Change, $Index) {
    $view = Get-RecordView $Change $Index
    if ($Change.adopt) {
        return $view.missing.Count -eq 0
    }
    if ($null -eq $Change.set) {
        return $null -eq (Select-Static $view.old) -and $view.ours.Count -eq 0
    }
    $same = Select-Static $view.same
    return $null -ne $same -and $view.missing.Count -eq 0 -and (Test-SameTtl $Change $same)
}

# ---- reservations and filters: one description each, one thing per MAC

function Read-MacIndex($Things, [string]$Property) {
    $index = @{}
    foreach ($thing in $Things) {
        $index[$thing[$Property]] = $thing
    }
    return $index
}

function Test-OursThing($Change, $Standing) {
    foreach ($line in ([string]$Standing.description).Split("`n")) {
        if (Test-OursText $line.Trim() @($Change.owned)) {
            return $true
        }
    }
    return $false
}

# Whether what stands has these values; $Fields names those that are compared.
function Test-SameThing($Standing, $Wanted, [string[]]$Fields) {
    foreach ($field in $Fields) {
        if ([string]$Standing[$field] -cne [string]$Wanted.$field) {
            return $false
        }
    }
    return $true
}

# One word for what is to be done: none, add, change, remove or conflict.
function Get-Step($Change, $Standing, [string[]]$Fields) {
    if ($null -eq $Standing) {
        if ($null -eq $Change.set) {
            return 'none'
        }
        return 'add'
    }
    if ($null -ne $Change.set -and (Test-SameThing $Standing $Change.set ($Fields + 'description'))) {
        return 'none'
    }
    $asExpected = $null -ne $Change.expect -and (Test-SameThing $Standing $Change.expect $Fields)
    if ($Change.adopt) {
        # Only just what was shown, and nothing of it but the description changes.
        $allowed = $asExpected -and $null -ne $Change.set -and (Test-SameThing $Standing $Change.set $Fields)
    } else {
        $allowed = ($asExpected -or $null -eq $Change.expect) -and (Test-OursThing $Change $Standing)
    }
    if (-not $allowed) {
        return 'conflict'
    }
    if ($null -eq $Change.set) {
        return 'remove'
    }
    return 'change'
}

function Add-Reservation($Change, $State) {
    $add = @{
        ScopeId     = [string]$Change.scope
        IPAddress   = [string]$State.ip
        ClientId    = [string]$Change.mac
        Name        = [string]$State.name
        Description = [string]$State.description
    }
    Add-DhcpServerv4Reservation @add
}

function Remove-Reservation($Change) {
    $remove = @{ ScopeId = [string]$Change.scope; ClientId = [string]$Change.mac }
    Remove-DhcpServerv4Reservation @remove
}

function Set-Reservation($Change) {
    $set = @{
        IPAddress   = [string]$Change.set.ip
        Name        = [string]$Change.set.name
        Description = [string]$Change.set.description
    }
    Set-DhcpServerv4Reservation @set
}

# Makes a reservation anew at another address, for a client has only one in a
# scope. The old one goes only where nobody has the address, and comes back where
# Windows does not take the new one.
function Move-Reservation($Change, $Standing, $Index, $Note) {
    $holder = $Index.Values | Where-Object -FilterScript { $_.ip -eq [string]$Change.set.ip } | Select-Object -First 1
    if ($null -ne $holder) {
        $Note.fault = @{
            errorId  = 'provost taken'
            category = 'ResourceBusy'
            message  = 'the address is reserved for ' + $holder.clientId
        }
        return
    }
    Remove-Reservation $Change
    $Note.changed = $true
    try {
        Add-Reservation $Change $Change.set
    } catch {
        $Note.fault = Get-Fault $_
        Add-Reservation $Change $Standing
    }
}

# $Index follows what is done, so that a later move finds the address free that
# an earlier change has freed.
function Invoke-ReservationStep($Change, $Index, [string]$Step, $Note) {
    $mac = [string]$Change.mac
    switch ($Step) {
        'add' {
            Add-Reservation $Change $Change.set
        }
        'remove' {
            Remove-Reservation $Change
            $Index.Remove($mac)
        }
        'change' {
            if ($Index[$mac].ip -eq [string]$Change.set.ip) {
                Set-Reservation $Change
            } else {
                Move-Reservation $Change $Index[$mac] $Index $Note
            }
        }
    }
    if ($null -ne $Note.fault) {
        return
    }
    $Note.changed = $true
    if ($Step -ne 'remove') {
        $Index[$mac] = @{
            ip          = [string]$Change.set.ip
            clientId    = $mac
            name        = [string]$Change.set.name
            description = [string]$Change.set.description
        }
    }
}

# A filter cannot be changed; -Force takes the old one away and makes it anew,
# and is used only where the old one was looked at.
function Invoke-FilterStep($Change, [string]$Step, $Note) {
    if ($Step -eq 'remove') {
        $remove = @{ MacAddress = [string]$Change.mac }
        Remove-DhcpServerv4Filter @remove
    } else {
        $add = @{
            List        = [string]$Change.set.list
            MacAddress  = [string]$Change.mac
            Description = [string]$Change.set.description
        }
        if ($Step -eq 'change') {
            $add['Force'] = $true
        }
        Add-DhcpServerv4Filter @add
    }
    $Note.changed = $true
}

function Invoke-ThingChange($Change, $Index, [string[]]$Fields, $Note) {
    $standing = $Index[[string]$Change.mac]
    $step = Get-Step $Change $standing $Fields
    if ($step -eq 'conflict') {
        $Note.conflict = 'what stands there is not ours, or not as expected'
        return
    }
    if ($step -eq 'none') {
        return
    }
    try {
        if ($Change.kind -eq 'filter') {
            Invoke-FilterStep $Change $step $Note
        } else {
            Invoke-ReservationStep $Change $Index $step $Note
        }
    } catch {
        if ($null -eq $Note.fault) {
            $Note.fault = Get-Fault $_
        }
    }
}

function Test-ThingChange($Change, $Index, [string[]]$Fields) {
    $standing = $Index[[string]$Change.mac]
    if ($null -eq $Change.set) {
        return $null -eq $standing
    }
    return $null -ne $standing -and (Test-SameThing $standing $Change.set ($Fields + 'description'))
}

# ---- groups: what is read together

# One reading of a group: all records of a zone, reservations of a scope, or filters.
function Read-Group($Change) {
    switch ([string]$Change.kind) {
        'record' {
            return Read-ZoneIndex ([string]$Change.zone)
        }
        'reservation' {
            return Read-MacIndex @(Read-Reservation ([string]$Change.scope)) 'clientId'
        }
        'filter' {
            return Read-MacIndex @(Read-Filter) 'mac'
        }
    }
    throw 'unknown kind of change'
}

function Get-Fields($Change) {
    if ($Change.kind -eq 'filter') {
        return @('list')
    }
    return @('ip', 'name')
}

function Invoke-Group($Changes) {
    try {
        $before = Read-Group $Changes[0]
    } catch {
        $fault = Get-Fault $_
        foreach ($change in $Changes) {
            New-Result $change 'failed' (New-Note) $fault
        }
        return
    }
    $notes = @{}
    foreach ($change in $Changes) {
        $note = New-Note
        $notes[[string]$change.id] = $note
        if ($change.kind -eq 'record') {
            Invoke-RecordChange $change $before $note
        } else {
            Invoke-ThingChange $change $before (Get-Fields $change) $note
        }
    }
    # Where this second reading fails, nobody can tell: no results, which the
    # other side takes for unknown.
    $after = Read-Group $Changes[0]
    foreach ($change in $Changes) {
        if ($change.kind -eq 'record') {
            $stands = Test-RecordChange $change $after
        } else {
            $stands = Test-ThingChange $change $after (Get-Fields $change)
        }
        Get-Verdict $change $notes[[string]$change.id] $stands
    }
}

$groups = [ordered]@{}
foreach ($change in $Doc.changes) {
    $key = [string]$change.kind + '|' + [string]$change.zone + '|' + [string]$change.scope
    if (-not $groups.Contains($key)) {
        $groups[$key] = New-Object -TypeName System.Collections.ArrayList
    }
    [void]$groups[$key].Add($change)
}
foreach ($key in @($groups.Keys)) {
    try {
        Format-Section 'results' '' @(Invoke-Group $groups[$key])
    } catch {
        Format-Fault 'results' $key $_
    }
}
