# The one command that provost starts on a Windows server. It reads a script and
# a document from standard input, checks both, runs the script on the document
# and frames what the script prints; CONTRACT.md has the formats. It travels in
# -EncodedCommand, so it stays small: comment and blank lines are left out.
# The script is one of provost's own, constant and checked by its hash; data
# reaches it as an argument and never as text of a program.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$ConfirmPreference = 'None'
# The cmdlets of DnsServer and DhcpServer do not heed the preference alone.
$PSDefaultParameterValues['*:ErrorAction'] = 'Stop'

$utf8 = New-Object -TypeName System.Text.UTF8Encoding -ArgumentList $false
$sent = New-Object -TypeName System.Text.StringBuilder
$count = 0

function Get-Sha256([byte[]]$Bytes) {
    # This class also works where only FIPS algorithms are allowed.
    $sha = New-Object -TypeName System.Security.Cryptography.SHA256CryptoServiceProvider
    return [System.BitConverter]::ToString($sha.ComputeHash($Bytes)).Replace('-', '').ToLowerInvariant()
}

function Read-Part([string]$Line, [string]$Length, [string]$Hash) {
    $bytes = [System.Convert]::FromBase64String($Line)
    if ([string]$bytes.Length -cne $Length -or (Get-Sha256 $bytes) -cne $Hash) {
        throw 'standard input is damaged'
    }
    return $utf8.GetString($bytes)
}

# Written to the console itself: the host would wrap long lines.
function Write-Frame([string]$Json) {
    $line = [System.Convert]::ToBase64String($utf8.GetBytes($Json))
    [System.Console]::Out.Write("provost1 $line`n")
    return $line
}

$stage = 'frame'
try {
    # PowerShell itself reads what is piped in, line by line, into $input. Reading
    # from [Console]::In would race with that and lose lines.
    $lines = @($input)
    if ($lines.Count -lt 3 -or -not ([string]$lines[0] -cmatch 'provost1 (\d+) ([0-9a-f]{64}) (\d+) ([0-9a-f]{64})\s*$')) {
        throw 'standard input is lost'
    }
    $head = $Matches
    $program = [ScriptBlock]::Create((Read-Part $lines[1] $head[1] $head[2]))
    $doc = ConvertFrom-Json -InputObject (Read-Part $lines[2] $head[3] $head[4])
    $stage = 'script'
    & $program $doc | ForEach-Object -Process {
        [void]$sent.Append((Write-Frame $_)).Append("`n")
        $count++
    }
} catch {
    $fault = @{ errorId = $_.FullyQualifiedErrorId; category = [string]$_.CategoryInfo.Category; message = [string]$_.Exception.Message }
    $json = ConvertTo-Json -InputObject @{ part = 'fault'; of = $stage; error = $fault } -Compress
    [void]$sent.Append((Write-Frame $json)).Append("`n")
    $count++
}
$hash = Get-Sha256 ($utf8.GetBytes($sent.ToString()))
[void](Write-Frame (ConvertTo-Json -InputObject @{ part = 'trailer'; count = $count; sha256 = $hash } -Compress))
