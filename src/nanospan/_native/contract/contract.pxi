# `Contract`: asked by a queue of each span, between its end and its bytes; included by __init__.pyx.
#
#     look_at       reads the view: the facts of each key, the kind of each value, a search of texts for secrets. Native, no
#                   Python call once a key is known. Counts what the conventions find
#     change_view   only if a look asked for it: replaces objects of the view by changed copies
#
# The encoder sees the view only.

cdef enum:
    MAX_SHARED = 256  # resources, and scopes, that are known to exporters of objects

cdef size_t NO_LENGTH = <size_t> -1

# The keys of findings about names and routes.
cdef str SPAN_NAME = "span name"
cdef str ROUTE = "http.route"


cdef tuple remember(dict known, object shared, object changed):
    """Resources and scopes live as long as their provider; the references keep their addresses from being reused."""
    if len(known) >= MAX_SHARED:
        known.clear()
    pair = shared, changed
    known[id(shared)] = pair
    return pair


cdef inline int look_at_pair(Contract contract, SpanView *view, PyObject *key, PyObject *value, object scope) except -1:
    cdef int look = LOOK_CLOSER
    if not FREE:
        look = quick_look(contract.keys.slots, contract.routes.slots, key, value, contract.redactor, contract.cut_lengths)
    if look != LOOK_CLOSER:
        return look
    # New references: Python code of the value may remove the pair from its mapping.
    name = <object> key
    content = <object> value
    return contract.look(view, name, content, scope)


# A span may end in a destructor that runs while the collector clears the cycle that the contract is part of.
@cython.no_gc_clear
cdef class Contract(Cleaner):
    def __cinit__(self, conventions, redaction, findings, first_sight, cut_lengths=()):
        cdef int i
        for i in range(CUT_LENGTHS):
            self.cut_lengths[i] = cut_lengths[i] if i < len(cut_lengths) else NO_LENGTH
        self.known_scopes = {}
        self.known_resources = {}
        self.conventions = conventions
        self.redaction = redaction
        self.findings = findings
        self.first_sight = first_sight
        self.redactor = NULL
        self.renames = False
        self.changed = self.masked_whole = 0
        memset(&self.hits, 0, sizeof(self.hits))
        if redaction is not None:
            self.redactor_owner = redaction._compile()
            self.redactor = self.redactor_owner.compiled
            self.marker = redaction.marker
            self.has_patterns = redaction._has_patterns
            findings.show_name = self.clean_name
        if conventions is not None:
            self.renames = conventions.mode in ("rename", "dup")
        self.keys = KeyTable(self.facts_of_key, self.forget)
        self.names = KeyTable(self.facts_of_name, self.forget)
        self.routes = KeyTable(self.facts_of_route, self.forget)

    # --- facts, once for each text ------------------------------------------------------------------------------------

    def facts_of_key(self, str key):
        cdef KeyFacts facts = KeyFacts(key)
        if self.redaction is not None:
            self.add_redaction(facts)
        if self.conventions is not None:
            self.add_conventions(facts)
        return facts

    def add_redaction(self, KeyFacts facts):
        cdef str key = facts.text
        facts.flags |= KEY_SCANNED
        if self.redaction._is_url_key(key):
            facts.scan_as = NS_AS_URL
        facts.action = self.redaction._key_facts(key)
        # Regular expressions are Python's: every text goes the slow way.
        if facts.action is not None or self.has_patterns:
            facts.flags |= KEY_CHANGED
        cleaned = self.clean_text(key, NS_AS_NAME)
        if cleaned is not key:
            facts.other_text = cleaned
            facts.reported_as = cleaned[:MAX_KEY]
            facts.flags |= KEY_CHANGED

    def add_conventions(self, KeyFacts facts):
        rule = self.conventions._facts(facts.text)
        if facts.text == ROUTE:
            facts.flags |= KEY_ROUTE
        if rule is None:
            return
        facts.rule = rule
        if rule.finding is not None:
            facts.flags |= KEY_FOUND
        if self.renames and (rule.renames or rule.value_renames):
            facts.flags |= KEY_CHANGED
        facts.accepted = KINDS[rule.expected]
        facts.members = rule.members
        facts.old_values = rule.value_renames
        if facts.accepted:
            facts.flags |= KEY_TYPED
        if facts.members is not None or facts.old_values:
            facts.flags |= KEY_LISTED

    def facts_of_name(self, str name):
        cdef KeyFacts facts = KeyFacts(name)
        if self.redactor is not NULL:
            cleaned = self.clean_text(name, NS_AS_NAME)
            if cleaned is not name:
                facts.other_text = cleaned
                facts.flags |= KEY_CHANGED
        if self.conventions is not None:
            facts.flags |= TEXT_NEW | PATH_UNKNOWN
        return facts

    def facts_of_route(self, str route):
        cdef KeyFacts facts = KeyFacts(route)
        facts.flags |= TEXT_NEW | PATH_UNKNOWN
        return facts

    def forget(self, KeyFacts facts):
        """Before the facts go: moves their counts into the findings."""
        cdef ScopeCount counted
        for counted in list(facts.counts.values()):
            count = counted.take()
            if count:
                self.findings.add_counted(counted.finding, counted.scope, facts.reported_as, count)

    # --- looking ------------------------------------------------------------------------------------------------------

    cdef int apply(self, SpanView *view, EncodeCounts *counts) except -1:
        try:
            self.treat(view)
        except Withheld:
            return 1
        return 0

    cdef int treat(self, SpanView *view) except -1:
        cdef int look = self.look_at(view)
        if look != LOOK_NOTHING:
            look = self.change_view(view)
            if look != LOOK_NOTHING:
                add_u64(&self.changed, 1)
        return look

    cdef int look_at(self, SpanView *view) except -1:
        cdef size_t i
        cdef int look = LOOK_NOTHING
        scope = object_or_none(view.scope)
        if view.attributes is NULL:
            for i in range(view.pair_count):
                look |= look_at_pair(self, view, view.pairs[i].key, view.pairs[i].value, scope)
        else:
            look = self.look_at_pairs(view, <object> view.attributes, scope)
        look |= self.look_at_name(view, scope)
        if view.events is not NULL:
            look |= self.look_at_events(<object> view.events, scope)
        if view.links is not NULL:
            look |= self.look_at_links(<object> view.links, scope)
        if self.conventions is not None and view.dropped_attributes | view.dropped_events | view.dropped_links:
            name = text_of(self.clean_name(object_or_none(view.name)))
            self.first_sight.limits(scope, name[:MAX_KEY], view.dropped_attributes, view.dropped_events, view.dropped_links)
        if self.redactor is not NULL:
            if view.status is not NULL and view.status != <PyObject *> self.clean_status:
                look |= self.look_at_status(<object> view.status)
            if view.trace_state is not NULL and view.trace_state != <PyObject *> self.clean_state:
                look |= self.look_at_state(<object> view.trace_state)
        return look

    cdef int look(self, SpanView *view, object key, object value, object scope) except -1:
        cdef KeyFacts facts
        cdef uint32_t flags
        if type(key) is not str:
            return LOOK_CHANGED
        facts = self.keys.find(key)
        flags = facts.flags
        if flags & KEY_FOUND:
            self.count(facts, scope, FOUND_KEY)
        elif flags & (KEY_TYPED | KEY_LISTED):
            self.check_value(facts, key, value, scope)
        if flags & KEY_ROUTE and view is not NULL:
            self.look_at_route(view, value, scope)
        if flags & KEY_CHANGED:
            return LOOK_CHANGED
        if flags & KEY_SCANNED:
            return self.is_suspect(value, facts.scan_as)
        return LOOK_NOTHING

    cdef int look_at_pairs(self, SpanView *view, object attributes, object scope) except -1:
        cdef PyObject *key
        cdef PyObject *value
        cdef Py_ssize_t position = 0
        cdef Py_ssize_t size
        cdef int look = LOOK_NOTHING
        if attributes is None:
            return LOOK_NOTHING
        if type(attributes) is exact_attributes:
            attributes = PyObject_GenericGetAttr(attributes, BOUNDED_ATTRIBUTES_DICT)
        if type(attributes) is dict:
            if FREE:
                attributes = (<dict> attributes).copy()  # other threads may be changing it
            size = PyDict_Size(attributes)
            while PyDict_Next(attributes, &position, &key, &value):
                look |= look_at_pair(self, view, key, value, scope)
                if PyDict_Size(attributes) != size:
                    raise RuntimeError("attributes changed while they were read")
        elif attributes:
            for name, content in attributes.items():
                look |= self.look(view, name, content, scope)
        return look

    cdef int look_at_name(self, SpanView *view, object scope) except -1:
        cdef KeyFacts facts
        cdef bint may_be_path = view.kind == <PyObject *> SERVER or view.kind == <PyObject *> CLIENT
        if not FREE and is_innocent(self.names.slots, view.name, 0 if may_be_path else PATH_UNKNOWN):
            return LOOK_NOTHING
        name = object_or_none(view.name)
        if type(name) is not str:
            return LOOK_CHANGED
        facts = self.names.find(name)
        if facts.flags & TEXT_NEW:
            self.see_first(facts, scope, SPAN_NAME)
        if facts.flags & PATH_UNKNOWN and may_be_path:
            facts.settle(self.first_sight.name_is_path(facts.text, kind_number(view), attributes_of(view)))
        self.names.renew(name, facts)
        if facts.flags & KEY_FOUND:
            self.count(facts, scope, FOUND_PATH)
        return LOOK_CHANGED if facts.flags & KEY_CHANGED else LOOK_NOTHING

    cdef int look_at_route(self, SpanView *view, object route, object scope) except -1:
        cdef KeyFacts facts
        if type(route) is not str or (not FREE and is_innocent(self.routes.slots, <PyObject *> route, 0)):
            return 0
        facts = self.routes.find(route)
        if facts.flags & TEXT_NEW:
            self.see_first(facts, scope, ROUTE)
        if facts.flags & PATH_UNKNOWN and view.kind == <PyObject *> SERVER:
            facts.settle(self.first_sight.route_is_path(facts.text, attributes_of(view)))
        self.routes.renew(route, facts)
        if facts.flags & KEY_FOUND:
            self.count(facts, scope, FOUND_PATH)
        return 0

    cdef int see_first(self, KeyFacts facts, object scope, str reported_as) except -1:
        facts.reported_as = reported_as
        facts.flags &= ~TEXT_NEW
        self.first_sight.count(scope, reported_as, facts.text)
        return 0

    cdef int look_at_events(self, object events, object scope) except -1:
        cdef int look = LOOK_NOTHING
        for event in tuple(events):
            if self.redactor is not NULL:
                look |= self.is_suspect(event.name, NS_AS_NAME)
            look |= self.look_at_pairs(NULL, event.attributes, scope)
        return look

    cdef int look_at_links(self, object links, object scope) except -1:
        cdef int look = LOOK_NOTHING
        for link in tuple(links):
            look |= self.look_at_pairs(NULL, link.attributes, scope)
            if self.redactor is not NULL:
                look |= self.look_at_state(link.context.trace_state)
        return look

    cdef int look_at_status(self, object status) except -1:
        description = status.description
        if description is not None and self.is_suspect(description, 0):
            return LOOK_CHANGED
        if not FREE and type(status) is Status:  # of any other type the same object may say something else next time
            self.clean_status = status
        return LOOK_NOTHING

    cdef int look_at_state(self, object state) except -1:
        if state is not None and state is not DEFAULT_TRACE_STATE:
            for key, value in state.items():
                if self.is_suspect(member_of(key, value), 0):
                    return LOOK_CHANGED
            if not FREE and type(state) is TraceState:
                self.clean_state = state
        return LOOK_NOTHING

    cdef int check_value(self, KeyFacts facts, object key, object value, object scope) except -1:
        if not fits(value, facts.accepted):
            self.count(facts, scope, FOUND_TYPE)
        elif isinstance(value, (str, int)):
            if facts.old_values is not None and value in facts.old_values:
                self.count(facts, scope, FOUND_VALUE)
            elif facts.members is not None and value not in facts.members:
                self.count(facts, scope, FOUND_MEMBER)
            else:
                self.keys.remember_member(key, value)
        return 0

    cdef int count(self, KeyFacts facts, object scope, unsigned int finding) except -1:
        cdef ScopeCount counted = facts.count_of(scope, finding)
        if counted.begun:
            add_u64(&counted.count, 1)
        else:
            counted.begun = True
            self.findings.add(counted.finding, counted.scope, facts.reported_as)
        return 0

    # --- changing -----------------------------------------------------------------------------------------------------

    cdef int change_view(self, SpanView *view) except -1:
        cdef int look = LOOK_NOTHING
        kind = kind_number(view)
        before = attributes_of(view)
        look |= self.put(&view.attributes, before, self.changed_pairs(before, kind))
        if view.events is not NULL:
            before = tuple(<object> view.events)
            look |= self.put(&view.events, before, changed_items(before, self.changed_event, kind))
        if view.links is not NULL:
            before = tuple(<object> view.links)
            look |= self.put(&view.links, before, changed_items(before, self.changed_link, kind))
        if self.redactor is NULL:
            return look
        name = object_or_none(view.name)
        look |= self.put(&view.name, name, self.clean_name(name))
        if view.status is not NULL:
            look |= self.put(&view.status, <object> view.status, self.clean_status_of(<object> view.status))
        if view.trace_state is not NULL:
            look |= self.put(&view.trace_state, <object> view.trace_state, self.clean_state_of(<object> view.trace_state))
        return look

    cdef int put(self, PyObject **place, object before, object after) except -1:
        """Sets a field of the view if it changed."""
        if after is before:
            return LOOK_NOTHING
        cdef PyObject *old = place[0]
        place[0] = reference_or_null(after)
        Py_XDECREF(old)
        return LOOK_CHANGED

    cdef object changed_pairs(self, object pairs, object kind):
        """The mapping itself, or a copy without secrets and with new names, on a span of this kind."""
        after = self.clean_pairs(pairs)
        return self.renamed(after, kind) if self.renames and after else after

    cdef object renamed(self, object pairs, object kind):
        """The mapping itself, or a copy with new names; the redaction has its say about these too."""
        after = self.conventions._apply_plain(pairs, kind)
        if after == pairs:
            return pairs
        if self.redactor is NULL:
            return after
        new = {}
        for key, value in after.items():
            if key not in pairs:
                new[key] = value
        for key in new:
            del after[key]
        after.update(self.clean_pairs(new))
        return after

    def changed_event(self, event, kind):
        attributes = pairs_of(event.attributes)
        after = self.changed_pairs(attributes, kind)
        name = self.clean_name(event.name)
        return event if after is attributes and name is event.name else ChangedEvent(event, name, after)

    def changed_link(self, link, kind):
        before = link.context
        attributes = pairs_of(link.attributes)
        after = self.changed_pairs(attributes, kind)
        context = self.clean_context(before)
        return link if after is attributes and context is before else ChangedLink(link, context, after)

    cdef int after_fork(self) except -1:
        cdef KeyFacts facts
        for facts in [*self.keys, *self.names, *self.routes]:
            facts.counts = {}
            facts.last, facts.last_id = None, 0
        memset(&self.hits, 0, sizeof(self.hits))
        store_u64(&self.changed, 0)
        store_u64(&self.masked_whole, 0)
        self.findings.clear()
        if self.redaction is not None:
            self.redaction._forget_counts()
        return 0

    # --- resources and scopes, once each ------------------------------------------------------------------------------

    cdef object shared_attributes(self, object attributes):
        before = pairs_of(attributes)
        if self.conventions is not None:
            self.look_at_pairs(NULL, before, None)
        after = self.clean_shared(before)
        return self.renamed(after, 0) if self.renames else after

    cdef object clean_shared(self, object pairs):
        """As `clean_pairs`; an attribute whose rule drops the span is left out: else no span would leave."""
        try:
            return self.clean_pairs(pairs)
        except Withheld:
            pass
        after = {}
        for key, value in pairs.items():
            try:
                after.update(self.clean_pairs({key: value}))
            except Withheld:
                pass
        return after

    cdef object shared_text(self, object text):
        return self.clean_name(text)

    # --- exporters that take objects ----------------------------------------------------------------------------------

    cdef object allowed(self, object span):
        """The ReadableSpan itself, or a changed copy; None if a rule drops it."""
        cdef SpanView view
        cdef EncodeCounts counts
        memset(&counts, 0, sizeof(counts))
        view.span = <PyObject *> span
        view.calls = readable_calls()
        clear_view(&view)
        try:
            view.calls.fill(&view, &counts)
            changed = self.treat(&view)
            resource = self.changed_resource(span.resource)
            scope = self.changed_scope(span.instrumentation_scope)
            if not changed and resource is span.resource and scope is span.instrumentation_scope:
                return span
            return copy_of(span, &view, self.clean_context(span.parent), resource, scope)
        except Withheld:
            return None
        finally:
            release_view(&view)

    def allowed_span(self, span):
        """The ReadableSpan itself, or a changed copy; None if a rule drops it."""
        return self.allowed(span)

    def changed_resource(self, resource):
        known = self.known_resources.get(id(resource))
        if known is None:
            before = pairs_of(resource.attributes)
            attributes, url = self.shared_attributes(before), self.shared_text(resource.schema_url)
            same = attributes is before and url is resource.schema_url
            known = remember(self.known_resources, resource, resource if same else Resource(attributes, url))
        return known[1]

    def changed_scope(self, scope):
        if scope is None:
            return None
        known = self.known_scopes.get(id(scope))
        if known is None:
            before = pairs_of(scope.attributes)
            name, version, url = scope.name, scope.version, scope.schema_url
            texts = self.shared_text(name), self.shared_text(version), self.shared_text(url)
            attributes = self.shared_attributes(before)
            same = attributes is before and texts[0] is name and texts[1] is version and texts[2] is url
            known = remember(
                self.known_scopes, scope, scope if same else InstrumentationScope(*texts, attributes))
        return known[1]

    # --- reports ------------------------------------------------------------------------------------------------------

    def collect(self):
        """Move the native counts into the findings."""
        for facts in [*self.keys, *self.names, *self.routes]:
            self.forget(facts)

    def secrets(self):
        """How often each rule of the redaction found one, by the rule's number."""
        return hits_of(&self.hits)

    def counts(self):
        """The sums, for `BatchSpanProcessor.stats`."""
        self.collect()
        return {
            "findings": sum(self.findings.totals().values()),
            "spans_changed": load_u64(&self.changed),
            "secrets": sum(self.secrets()),
            "masked_whole": load_u64(&self.masked_whole),
        }
