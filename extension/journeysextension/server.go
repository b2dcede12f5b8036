package journeysextension

import (
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.uber.org/zap"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
)

//go:embed page
var page embed.FS

//go:embed openapi.yaml
var openAPI []byte

// headers are on every answer. The page has no script, style or address but its
// own, and nobody may frame it.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Cache-Control":                "no-cache",
	"Vary":                         "Accept-Encoding",
}

const apiPath = "/api/v1/"

// routes are the parts of the API, by their paths.
func (x *journeysExtension) routes() map[string]func(*http.Request) (*snapshot, error) {
	return map[string]func(*http.Request) (*snapshot, error){
		"overview": x.windowed("overview", func(v *view) (any, error) { return v.overview(x.attached.ids()), nil }),
		"journeys": x.windowed("journeys", func(v *view) (any, error) { return v.table(), nil }),
		"journey":  x.answerJourney,
		"live":     x.answerLive,

		"traces/{trace_id}": x.answerTrace,
	}
}

// newHandler serves page and API.
func (x *journeysExtension) newHandler() (http.Handler, error) {
	mux := http.NewServeMux()
	for route, answer := range x.routes() {
		mux.HandleFunc("GET "+apiPath+route, func(w http.ResponseWriter, r *http.Request) {
			one, err := answer(r)
			if err == nil {
				err = one.err
			}
			if err != nil {
				x.refuse(w, err)
				return
			}
			one.serve(w, r, "application/json")
		})
	}
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, http.StatusNotFound, fmt.Sprintf("there is nothing at %.100q", r.URL.Path))
	})
	if err := addFiles(mux); err != nil {
		return nil, err
	}
	return x.guard(mux), nil
}

// addFiles adds the page's files and the API's document.
func addFiles(mux *http.ServeMux) error {
	add := func(route, name string, body []byte) {
		file := &snapshot{body: body, etag: etagOf(body), zipped: zip(body)}
		kind := mime.TypeByExtension(path.Ext(name))
		switch path.Ext(name) { // the system's table may say otherwise, or nothing
		case ".js", ".mjs":
			kind = "text/javascript; charset=utf-8"
		case ".yaml":
			kind = "application/yaml; charset=utf-8"
		case ".txt", ".md", "":
			kind = "text/plain; charset=utf-8"
		}
		mux.HandleFunc("GET "+route, func(w http.ResponseWriter, r *http.Request) { file.serve(w, r, kind) })
	}
	add(apiPath+"openapi.yaml", "openapi.yaml", openAPI)
	return fs.WalkDir(page, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := page.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read embedded %s: %w", name, err)
		}
		route := strings.TrimPrefix(name, "page")
		if route == "/index.html" {
			route = "/{$}"
		}
		add(route, name, body)
		return nil
	})
}

// serve answers with the snapshot, or says that the asker has it already.
func (a *snapshot) serve(w http.ResponseWriter, r *http.Request, kind string) {
	body, etag := a.body, `"`+a.etag+`"`
	if a.zipped != nil && acceptsGzip(r) {
		body, etag = a.zipped, `"`+a.etag+`-gz"`
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), a.etag) {
		w.Header().Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // whoever went away does not miss it
	}
}

func acceptsGzip(r *http.Request) bool {
	for _, one := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(one), ";")
		if name == "gzip" && strings.ReplaceAll(weight, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

// matches says whether the ETag is one of those in If-None-Match, whichever
// encoding the answer had.
func matches(header, etag string) bool {
	return slices.ContainsFunc(strings.Split(header, ","), func(one string) bool {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		return one == "*" || strings.TrimSuffix(strings.Trim(one, `"`), "-gz") == etag
	})
}

// requestError is an error of whoever asks.
type requestError string

func (e requestError) Error() string { return string(e) }

func windowOf(r *http.Request) (int, error) {
	name := r.URL.Query().Get("window")
	if name == "" {
		return 0, nil
	}
	for i := range windowSpecs {
		if windowSpecs[i].name == name {
			return i, nil
		}
	}
	return 0, requestError(fmt.Sprintf("window must be 5m, 1h or 24h, got %q", name))
}

// windowed makes answers about a window.
func (x *journeysExtension) windowed(
	what string, answer func(*view) (any, error),
) func(*http.Request) (*snapshot, error) {
	return func(r *http.Request) (*snapshot, error) {
		which, err := windowOf(r)
		if err != nil {
			return nil, err
		}
		now := x.now()
		return x.snapshots.get(what+" "+windowSpecs[which].name, now, func() (made any, err error) {
			x.history.look(x.config, which, now, func(v *view) { made, err = answer(v) })
			return made, err
		}), nil
	}
}

func (x *journeysExtension) answerJourney(r *http.Request) (*snapshot, error) {
	name := r.URL.Query().Get("name")
	if !r.URL.Query().Has("name") {
		return nil, requestError("name must be given: that of a journey, as it is in the table")
	}
	if !x.history.has(name) { // before there is an answer for every name that anybody asks for
		return nil, fmt.Errorf("journey %.100q: %w", name, errUnknown)
	}
	return x.windowed("journey "+name, func(v *view) (any, error) {
		if one, ok := v.journey(name); ok {
			return one, nil
		}
		return nil, fmt.Errorf("journey %.100q: %w", name, errUnknown)
	})(r)
}

func (x *journeysExtension) answerLive(*http.Request) (*snapshot, error) {
	now := x.now()
	return x.snapshots.get("live", now, func() (any, error) { return x.live(now), nil }), nil
}

// answerTrace is not shared: hardly two people ask for the same trace.
func (x *journeysExtension) answerTrace(r *http.Request) (*snapshot, error) {
	text := r.PathValue("trace_id")
	id, err := hex.DecodeString(text)
	if err != nil || len(id) != len(pcommon.TraceID{}) {
		return nil, requestError(fmt.Sprintf("a trace id has 32 hexadecimal digits, got %.100q", text))
	}
	answer, err := x.attached.lookUp(r.Context(), x.config, pcommon.TraceID(id), x.now())
	if err != nil {
		return nil, err
	}
	one := &snapshot{}
	one.fill(answer)
	return one, nil
}

// refuse answers with an error.
func (x *journeysExtension) refuse(w http.ResponseWriter, err error) {
	var bad requestError
	switch {
	case errors.As(err, &bad):
		writeError(w, http.StatusBadRequest, err.Error())
	case errors.Is(err, errUnknown):
		writeError(w, http.StatusNotFound, err.Error())
	case errors.Is(err, errBusy):
		writeError(w, http.StatusServiceUnavailable, err.Error())
	default:
		x.settings.Logger.Error("Could not answer", zap.Error(err))
		writeError(w, http.StatusInternalServerError, "this should not happen; the collector's log says more")
	}
}

func writeError(w http.ResponseWriter, status int, message string) {
	body, _ := json.Marshal(api.Error{Status: status, Message: message}) // a number and a text
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func setHeaders(w http.ResponseWriter) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
}

// guard lets in who may ask, so many at a time, and sets the headers.
func (x *journeysExtension) guard(next http.Handler) http.Handler {
	hosts := x.config.hosts()
	slots := make(chan struct{}, x.config.Limits.Requests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w)
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			writeError(w, http.StatusMethodNotAllowed, "only GET and HEAD: nothing can be changed here")
			return
		case hosts != nil && !slices.Contains(hosts, hostOf(r.Host)):
			writeError(w, http.StatusMisdirectedRequest, fmt.Sprintf("host %.100q is not one of `hosts`", r.Host))
			return
		case x.isForeign(r):
			writeError(w, http.StatusForbidden, "asked for by a page from elsewhere")
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		default:
			x.reached("requests", 1)
			w.Header().Set("Retry-After", "1")
			writeError(w, http.StatusServiceUnavailable, "too many requests at once")
		}
	})
}

// isForeign says that a page of another site asks, by what browsers say of it.
// Following a link to here is something else. With CORS configured that
// decides.
func (x *journeysExtension) isForeign(r *http.Request) bool {
	if x.config.CORS.HasValue() || r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		return false
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// hosts are the names that requests may be for; nil: any.
func (c *Config) hosts() []string {
	if len(c.Hosts) > 0 {
		return lower(c.Hosts)
	}
	host, _, err := net.SplitHostPort(c.NetAddr.Endpoint)
	if err != nil {
		return nil
	}
	if address, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !address.IsLoopback()) {
		return nil
	}
	return lower([]string{"localhost", "127.0.0.1", "::1", host})
}

func lower(hosts []string) []string {
	list := make([]string, 0, len(hosts))
	for _, h := range hosts {
		list = append(list, strings.ToLower(strings.Trim(h, "[]")))
	}
	return list
}

func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport // without a port
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
