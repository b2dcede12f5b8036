package compose

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

type definitions struct {
	VHosts []struct {
		Name    string `json:"name"`
		Tracing *bool  `json:"tracing"`
	} `json:"vhosts"`
	Users []struct {
		Name         string   `json:"name"`
		PasswordHash string   `json:"password_hash"`
		Algorithm    string   `json:"hashing_algorithm"`
		Tags         []string `json:"tags"`
	} `json:"users"`
	Permissions []struct {
		User, VHost, Configure, Write, Read string
	} `json:"permissions"`
}

func readDefinitions(t *testing.T) definitions {
	t.Helper()
	var d definitions
	if err := json.Unmarshal([]byte(readFile(t, "deploy/rabbitmq/definitions.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// saltBytes begin a password hash of RabbitMQ: salt, then SHA-256 of salt and password.
const saltBytes = 4

func (d definitions) accept(name, password string) bool {
	for _, user := range d.Users {
		hash, err := base64.StdEncoding.DecodeString(user.PasswordHash)
		if user.Name != name || err != nil || len(hash) != saltBytes+sha256.Size {
			continue
		}
		sum := sha256.Sum256(append(bytes.Clone(hash[:saltBytes]), password...))
		return user.Algorithm == "rabbit_password_hashing_sha256" && bytes.Equal(sum[:], hash[saltBytes:])
	}
	return false
}

func TestServicesCanLogInToTheBroker(t *testing.T) {
	d := readDefinitions(t)
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		set := settings(s)
		for _, prefix := range []string{"AMQP_", "RABBITMQ_"} {
			name, password := set[prefix+"USERNAME"], set[prefix+"PASSWORD"]
			if name != "" && !d.accept(name, password) {
				t.Errorf("the broker's definitions do not accept %s with the password of %s", name, s.Name)
			}
		}
	})
	if !d.accept("admin", "admin") {
		t.Error("the management page does not accept admin with the password that rabbitmq.conf tells")
	}
}

func TestCollectorsUserCanDoNothingButTrace(t *testing.T) {
	tests := []struct {
		resource               string
		configure, write, read bool
	}{
		{resource: "otel.journey.firehose", configure: true, write: true, read: true},
		{resource: "amq.rabbitmq.trace", read: true},
		{resource: "amq.default"},
		{resource: "amq.topic"},
		{resource: "shop"},
		{resource: "stock-queue"},
		{resource: "hotel.bookings"},
		{resource: "xamq.rabbitmq.trace.x"},
	}
	for _, p := range readDefinitions(t).Permissions {
		if p.User != "otelcol" {
			continue
		}
		for _, test := range tests {
			for _, right := range []struct {
				name, pattern string
				want          bool
			}{{"configure", p.Configure, test.configure}, {"write", p.Write, test.write}, {"read", p.Read, test.read}} {
				if got := regexp.MustCompile(right.pattern).MatchString(test.resource); got != right.want {
					t.Errorf("%s of %s is %v", right.name, test.resource, got)
				}
			}
		}
		return
	}
	t.Error("the user otelcol has no permissions")
}

// The definitions are imported at every start. A tracing flag of false in them
// would end what advanced.config began.
func TestFirehoseIsOnFromTheStart(t *testing.T) {
	if text := readFile(t, "deploy/rabbitmq/advanced.config"); !strings.Contains(text, `{trace_vhosts, [<<"/">>]}`) {
		t.Errorf("advanced.config does not trace the vhost /: %s", text)
	}
	for _, vhost := range readDefinitions(t).VHosts {
		if vhost.Tracing != nil && !*vhost.Tracing {
			t.Errorf("the definitions end the tracing of vhost %s", vhost.Name)
		}
	}
	if text := readFile(t, "deploy/rabbitmq/rabbitmq.conf"); !strings.Contains(text, "\nmessage_interceptors.incoming.set_header_timestamp.overwrite = false\n") {
		t.Error("rabbitmq.conf does not stamp messages on arrival")
	}
}
