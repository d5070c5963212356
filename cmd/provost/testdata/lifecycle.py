"""Make, clone, start, stop and delete guests, as a client that knows the real API.

Usage: lifecycle.py HOST:PORT CA USER TOKEN-NAME TOKEN-VALUE SHARED-STORAGE
"""
import sys
import time

from proxmoxer import ProxmoxAPI, ResourceException

address, ca, user, name, value, storage = sys.argv[1:]
api = ProxmoxAPI(address, user=user, token_name=name, token_value=value, verify_ssl=ca)
node = api.nodes("pve1")


def wait(upid, exitstatus="OK"):
    """Poll a task until it has ended, and demand that it ended so."""
    for _ in range(600):
        status = node.tasks(upid).status.get()
        if status["status"] == "stopped":
            assert status["exitstatus"] == exitstatus, status
            return
        time.sleep(0.05)
    sys.exit("task %s does not end" % upid)


def refused(what, text):
    """Demand that a request is refused with a text."""
    try:
        what()
    except ResourceException as e:
        assert text in str(e), e
    else:
        sys.exit("not refused: " + text)


assert api.version.get()["release"] == "9.1"
assert [n["node"] for n in api.nodes.get()] == ["pve1", "pve2"]
template = [v["volid"] for v in node.storage("local").content.get(content="vztmpl")][0]

# A container from the OS template, and its start.
wait(node.lxc.create(vmid=200, ostemplate=template, hostname="made", storage=storage, memory=512,
                     net0="name=eth0,bridge=vmbr0,ip=dhcp", tags="Lab;a"))
config = node.lxc(200).config.get()
assert (config["hostname"], config["memory"], config["tags"]) == ("made", 512, "a;lab"), config
wait(node.lxc(200).status.start.post())
assert node.lxc(200).status.current.get()["status"] == "running"
refused(lambda: node.lxc(200).delete(), "unable to destroy CT 200 - container is running")

# A full clone of a container, so slow that it surely runs yet: its source is locked,
# until the clone is broken off.
upid = node.lxc(9000).clone.post(newid=202, full=1, bwlimit=1000)
refused(lambda: node.lxc(9000).clone.post(newid=201, full=1), "CT is locked (disk)")
node.tasks(upid).delete()
wait(upid, "clone failed: interrupted by signal")

wait(node.lxc(9000).clone.post(newid=201, full=1, hostname="cloned"))
refused(lambda: node.lxc(9000).clone.post(newid=201, full=1), "CT 201 already exists on node 'pve1'")

# A linked clone of a machine, changed, started on another node.
wait(node.qemu(9001).clone.post(newid=210, name="vm", target="pve2"))
away = api.nodes("pve2").qemu(210)
away.config.put(memory=2048, description="two\nlines")
assert away.config.get()["memory"] == "2048"
node, here = api.nodes("pve2"), node
wait(away.status.start.post())
wait(away.status.stop.post())
wait(away.delete())

node = here
wait(node.lxc(200).status.stop.post())
for vmid in (200, 201):
    wait(node.lxc(vmid).delete(purge=1))
left = sorted(r["vmid"] for r in api.cluster.resources.get(type="vm"))
assert left == [9000, 9001], left
print("all is well")
