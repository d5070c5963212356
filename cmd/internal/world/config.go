package world

import (
	"net/url"
	"os"
	"slices"
	"strings"
	"text/template"
)

// configText is provost.yaml as an administrator would write it.
var configText = template.Must(template.New("provost.yaml").Parse(`campus: {{.Campus}}
state: {{.State}}
listen: {{.Listen}}
public_url: http://{{.Listen}}
interval: {{.Interval}}
lease_time: 15s
grace: 10s
repository:
  url: {{.Repository}}
  branch: main
  token_file: {{.Secrets}}/gitlab-token
forge:
  gitlab:
    url: {{.GitLab}}
    project: {{.Project}}
    token_file: {{.Secrets}}/gitlab-token
webhook:
  secret_file: {{.Secrets}}/webhook-secret
systems:
  {{.Cluster}}:
    apply: auto
    prune: true
    proxmox:
      endpoints: [{{.Endpoints}}]
      token_file: {{.Secrets}}/pve-token
      ca_file: {{.Secrets}}/pve-ca.pem
      ssh:
        hosts: [{{.SSH}}]
        user: root
        key_file: {{.Secrets}}/pve-ssh-key
        known_hosts_file: {{.Secrets}}/pve-known-hosts
  ad:
    apply: auto
    prune: true
    windows:
      user: {{.User}}
      password_file: {{.Secrets}}/windows-password
      ca_file: {{.Secrets}}/windows-ca.pem
      dns:
        servers: [{{.Windows}}]
        zones: [{{.Zones}}]
      dhcp:
        servers: [{{.Windows}}]
        scopes: [{{.Scopes}}]
`))

// Configure writes provost.yaml and the webhook's secret, lets GitLab call the
// daemon, and returns the configuration's path. listen is host:port.
func (w *World) Configure(listen, interval string) (string, error) {
	const secret = "demo-webhook-secret"
	if err := w.secret("webhook-secret", []byte(secret+"\n")); err != nil {
		return "", err
	}
	w.GitLab.AddHook("http://"+listen+"/webhook", secret)
	file, err := os.Create(w.path("provost.yaml"))
	if err != nil {
		return "", err
	}
	defer file.Close()
	err = configText.Execute(file, map[string]string{
		"Campus": Campus, "Cluster": Cluster, "Project": Project, "State": w.path("state"), "Secrets": w.path("secrets"),
		"Listen": listen, "Interval": interval, "GitLab": w.GitLab.URL(), "Repository": w.GitLab.URL() + "/" + Project + ".git",
		"Endpoints": strings.Join(w.PVE.URLs(), ", "), "SSH": strings.Join(w.PVE.SSHAddrs(), ", "),
		"User": windowsUser, "Windows": strings.Join(hosts(w), ", "), "Zones": strings.Join(zones, ", "), "Scopes": strings.Join(scopeIDs(), ", "),
	})
	return file.Name(), err
}

func hosts(w *World) []string {
	var list []string
	for _, s := range w.Windows {
		if u, err := url.Parse(s.URL()); err == nil {
			list = append(list, u.Host)
		}
	}
	return list
}

func scopeIDs() []string {
	var ids []string
	for _, s := range scopes {
		ids = append(ids, s.ID.String())
	}
	slices.Sort(ids)
	return ids
}
