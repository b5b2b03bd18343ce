package azurekvtest

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// keys answers requests under /keys/.
func (s *Server) keys(w http.ResponseWriter, r *http.Request, path []string) {
	if len(path) == 0 {
		s.list(w, r)
		return
	}
	name, rest := path[0], path[1:]
	if !azure.ValidName(name) {
		fail(w, http.StatusBadRequest, azure.BadParameter, "", "The request URI contains an invalid name: "+name)
		return
	}
	switch {
	case r.Method == http.MethodPost && len(rest) == 1 && rest[0] == "create":
		s.create(w, r, name)
	case r.Method == http.MethodPut && len(rest) == 0:
		s.take(w, r, name)
	case r.Method == http.MethodGet && len(rest) <= 1:
		s.get(w, r, name, strings.Join(rest, ""))
	case r.Method == http.MethodPatch && len(rest) <= 1:
		s.update(w, r, name, strings.Join(rest, ""))
	case r.Method == http.MethodDelete && len(rest) == 0:
		s.remove(w, r, name)
	case r.Method == http.MethodPost && len(rest) == 1: // without a version
		s.use(w, r, name, "", rest[0])
	case r.Method == http.MethodPost && len(rest) == 2:
		s.use(w, r, name, rest[0], rest[1])
	default:
		notAllowed(w)
	}
}

func notFound(w http.ResponseWriter, name string) {
	fail(w, http.StatusNotFound, azure.KeyNotFound, "", "A key with (name/id) "+name+" was not found in this key vault.")
}

func badParameter(w http.ResponseWriter, err error) {
	fail(w, http.StatusBadRequest, azure.BadParameter, "", err.Error())
}

// create makes a key; of a name that is there it makes a version.
func (s *Server) create(w http.ResponseWriter, r *http.Request, name string) {
	var c azure.CreateKey
	if !read(w, r, &c) {
		return
	}
	v, err := s.newVersion(c)
	if err != nil {
		badParameter(w, err)
		return
	}
	s.add(w, r, name, v, c.Attributes)
}

// take imports a key; of a name that is there it makes a version.
func (s *Server) take(w http.ResponseWriter, r *http.Request, name string) {
	var c azure.ImportKey
	if !read(w, r, &c) {
		return
	}
	if c.Key == nil {
		fail(w, http.StatusBadRequest, azure.BadParameter, "", "key is required")
		return
	}
	v, err := s.takenVersion(c)
	if err != nil {
		badParameter(w, err)
		return
	}
	s.add(w, r, name, v, c.Attributes)
}

func (s *Server) add(w http.ResponseWriter, r *http.Request, name string, v *version, a *azure.Attributes) {
	if err := s.admit(v, a); err != nil {
		badParameter(w, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch o := s.objects[strings.ToLower(name)]; {
	case o == nil:
	case !o.deleted.IsZero() && o.settling > 0:
		o.settling--
		fail(w, http.StatusConflict, azure.ConflictError, azure.ObjectBeingDeleted, "Key "+name+" is currently being deleted.")
		return
	case !o.deleted.IsZero():
		fail(w, http.StatusConflict, azure.ConflictError, azure.ObjectDeletedRecoverable, "Key "+name+" is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the key can only be recovered or purged.")
		return
	case o.settling > 0:
		o.settling--
		fail(w, http.StatusConflict, azure.ConflictError, azure.ObjectBeingRecovered, "Key "+name+" is currently being recovered and cannot be re-created; retry later.")
		return
	}
	answer(w, http.StatusOK, s.bundle(r, s.put(name, v), v))
}

// get shows a key.
func (s *Server) get(w http.ResponseWriter, r *http.Request, name, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, v := s.find(name, id)
	if v == nil {
		notFound(w, name)
		return
	}
	if o.settling > 0 {
		o.settling--
		notFound(w, name)
		return
	}
	answer(w, http.StatusOK, s.bundle(r, o, v))
}

// update changes a key.
func (s *Server) update(w http.ResponseWriter, r *http.Request, name, id string) {
	var c azure.UpdateKey
	if !read(w, r, &c) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, v := s.find(name, id)
	if v == nil {
		notFound(w, name)
		return
	}
	v.change(c.Attributes)
	if c.Ops != nil {
		v.ops = c.Ops
	}
	if c.Tags != nil {
		v.tags = c.Tags
	}
	answer(w, http.StatusOK, s.bundle(r, o, v))
}

// remove deletes a key, which is done a look later.
func (s *Server) remove(w http.ResponseWriter, r *http.Request, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, v := s.find(name, "")
	if v == nil {
		notFound(w, name)
		return
	}
	o.deleted, o.settling = time.Now(), 1
	answer(w, http.StatusOK, s.bundle(r, o, v))
}

// deletedKeys answers requests under /deletedkeys/NAME.
func (s *Server) deletedKeys(w http.ResponseWriter, r *http.Request, name string, rest []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects[strings.ToLower(name)]
	if o == nil || o.deleted.IsZero() {
		notFound(w, name)
		return
	}
	if o.settling > 0 {
		o.settling--
		if r.Method == http.MethodGet {
			notFound(w, name)
		} else {
			fail(w, http.StatusConflict, azure.ConflictError, azure.ObjectBeingDeleted, "Key "+name+" is currently being deleted.")
		}
		return
	}
	current := o.versions[len(o.versions)-1]
	switch {
	case r.Method == http.MethodGet && len(rest) == 0:
		answer(w, http.StatusOK, s.bundle(r, o, current))
	case r.Method == http.MethodDelete && len(rest) == 0:
		delete(s.objects, strings.ToLower(name))
		s.spare(o)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPost && len(rest) == 1 && rest[0] == "recover":
		o.deleted, o.settling = time.Time{}, 1
		answer(w, http.StatusOK, s.bundle(r, o, current))
	default:
		notAllowed(w)
	}
}

// page is how many keys a page of the list has, unless a request asks for fewer.
const page = 25

// list shows the keys, page by page.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		notAllowed(w)
		return
	}
	q := r.URL.Query()
	size, err := strconv.Atoi(q.Get("maxresults"))
	if err != nil || size < 1 || size > page {
		size = page
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := azure.KeyList{Value: []azure.KeyItem{}}
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		o := s.objects[name]
		if !o.deleted.IsZero() || name <= q.Get("$skiptoken") {
			continue
		}
		if len(out.Value) == size {
			q.Set("$skiptoken", strings.ToLower(lastName(out.Value)))
			next := "https://" + r.Host + "/keys?" + q.Encode()
			out.NextLink = &next
			break
		}
		v := o.versions[len(o.versions)-1]
		out.Value = append(out.Value, azure.KeyItem{
			KID: "https://" + r.Host + "/keys/" + o.name, Attributes: v.attributes(), Tags: v.tags, Managed: v.managed,
		})
	}
	answer(w, http.StatusOK, out)
}

func lastName(items []azure.KeyItem) string {
	kid := items[len(items)-1].KID
	return kid[strings.LastIndexByte(kid, '/')+1:]
}
