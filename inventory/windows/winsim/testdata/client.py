"""Runs one command with standard input through pywinrm, which has no call of
its own for input: url, authority, user, password, command line, input file.
Prints standard output."""
import base64
import sys
import uuid

import xmltodict
from winrm.protocol import Protocol, xmlns

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"


def send(protocol, shell, command, data, end):
    message_id = uuid.uuid4()
    request = {"env:Envelope": protocol._get_soap_header(
        resource_uri=SHELL + "/cmd", action=SHELL + "/Send", shell_id=shell, message_id=message_id)}
    request["env:Envelope"]["env:Body"] = {"rsp:Send": {"rsp:Stream": {
        "@Name": "stdin", "@CommandId": command, "@End": "true" if end else "false",
        "#text": base64.b64encode(data).decode()}}}
    answer = xmltodict.parse(
        protocol.send_message(xmltodict.unparse(request)), process_namespaces=True)
    header = answer[xmlns["soapenv"] + ":Envelope"][xmlns["soapenv"] + ":Header"]
    assert header[xmlns["soapaddr"] + ":RelatesTo"] == "uuid:%s" % message_id, header


def main():
    url, authority, user, password, line, path = sys.argv[1:]
    protocol = Protocol(
        url, transport="ntlm", username=user, password=password, ca_trust_path=authority,
        server_cert_validation="validate", read_timeout_sec=10, operation_timeout_sec=5)
    with open(path, "rb") as f:
        data = f.read()
    shell = protocol.open_shell(codepage=65001)
    command = protocol.run_command(shell, line, console_mode_stdin=False)
    send(protocol, shell, command, data[:100], False)
    send(protocol, shell, command, data[100:], True)
    stdout, stderr, code = protocol.get_command_output(shell, command)
    protocol.cleanup_command(shell, command)
    protocol.close_shell(shell)
    assert code == 0, stderr
    sys.stdout.write(stdout.decode())


main()
