/*
 * Running any function under the locks of the LockedArrays among its arguments, those in
 * lists, tuples and dicts included.
 *
 * The raw views are made for the call, and nothing is written by them once it has ended: the
 * function may be Python code, which keeps what it likes.
 */
#include "array/run.h"

#include "array/general.h"
#include "array/operation.h"
#include "array/result.h"

#include <string.h>

/* So deep containers are looked at, and so many of them; the general version does the others. */
#define LA_DEEPEST 6
#define LA_MOST_CONTAINERS 4096

typedef struct {
    const la_run_terms *terms;
    la_operation operation;             /* its facades are references here */
    PyObject *raws[LA_MOST_OPERANDS];
    int containers;
    bool objects;                       /* an operand holds objects, or varied text */
} la_running;

bool
la_run_add_written(la_run_terms *terms, PyObject *object)
{
    if (PyTuple_CheckExact(object) || PyList_CheckExact(object)) {
        PyObject *items = PySequence_Tuple(object);
        bool fits = items != NULL;
        for (Py_ssize_t i = 0; fits && i < PyTuple_GET_SIZE(items); i++) {
            PyObject *item = PyTuple_GET_ITEM(items, i);
            fits = !la_is_facade(item) || la_run_add_written(terms, item);
        }
        Py_XDECREF(items);
        PyErr_Clear();
        return fits;
    }
    if (!la_is_facade(object)) {
        return true;
    }
    if (terms->writes == LA_MOST_WRITTEN) {
        return false;
    }
    terms->written[terms->writes++] = object;
    return true;
}

/* -- what is among the arguments ----------------------------------------------------- */

/* Is this class Python's own, or NumPy's: is nothing of it converted by foreign code? */
static bool
la_is_known_type(PyTypeObject *type)
{
    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) {
        return strchr(type->tp_name, '.') == NULL || strncmp(type->tp_name, "numpy.", 6) == 0;
    }
    if (Py_TYPE(type) != &PyType_Type) {
        return false;
    }
    PyObject *name = PyObject_GetAttr((PyObject *)type, la_names.module);
    const char *text = name == NULL || !PyUnicode_CheckExact(name) ? NULL : PyUnicode_AsUTF8(name);
    bool known = text != NULL
                 && (strcmp(text, "builtins") == 0 || strcmp(text, "numpy") == 0
                     || strncmp(text, "numpy.", 6) == 0);
    Py_XDECREF(name);
    PyErr_Clear();
    return known;
}

/* Is it, and does it hold, no LockedArray, and does no foreign code convert it? */
static inline bool
la_is_plain_argument(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    return type == &PyFloat_Type || type == &PyLong_Type || object == Py_None
           || type == &PyArray_Type || type == &PyUnicode_Type || type == &PyBool_Type
           || type == &PyComplex_Type || type == &PyBytes_Type || type == &PySlice_Type
           || object == Py_Ellipsis;
}

static la_mode
la_run_mode(const la_run_terms *terms, PyObject *facade)
{
    for (int i = 0; i < terms->writes; i++) {
        if (terms->written[i] == facade) {
            return LA_WRITE;
        }
    }
    return LA_READ;
}

static int la_run_collect(la_running *self, PyObject *object, int depth);

static int
la_run_collect_items(la_running *self, PyObject *items, int depth)
{
    int found = 0;

    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i);
        if (la_is_plain_argument(item)) {
            continue;
        }
        int there = la_run_collect(self, item, depth);
        if (there < 0) {
            return -1;
        }
        found |= there;
    }
    return found;
}

/* The items of a container at one moment, since other threads may change it: a tuple, or NULL. */
static PyObject *
la_items_of(PyObject *container)
{
    if (PyTuple_CheckExact(container)) {
        return Py_NewRef(container);
    }
    PyObject *list = PyDict_CheckExact(container) ? PyDict_Values(container)
                                                  : Py_NewRef(container);
    PyObject *items = list == NULL ? NULL : PyList_AsTuple(list);
    Py_XDECREF(list);
    return items;
}

/* Adds the LockedArrays in it: 1, or 0 if there is none, or -1 for the general version. */
static int
la_run_collect(la_running *self, PyObject *object, int depth)
{
    if (la_is_plain_argument(object)) {
        return 0;
    }
    if (la_is_exact(object)) {
        int count = self->operation.count;
        if (la_operation_add_any(&self->operation, object, la_run_mode(self->terms, object)) < 0) {
            return -1;
        }
        self->objects |= PyDataType_REFCHK(la_fields(object)->descr);
        if (self->operation.count > count) {
            Py_INCREF(object);      /* others may take it out of a list */
        }
        return 1;
    }
    if (la_is_facade(object)) {
        return -1;
    }
    if (PyList_CheckExact(object) || PyTuple_CheckExact(object) || PyDict_CheckExact(object)) {
        PyObject *items = NULL;
        if (depth < LA_DEEPEST && self->containers++ < LA_MOST_CONTAINERS) {
            items = la_items_of(object);
        }
        int found = items == NULL ? -1 : la_run_collect_items(self, items, depth + 1);
        Py_XDECREF(items);
        PyErr_Clear();
        return found;
    }
    if (PyList_Check(object) || PyTuple_Check(object) || PyDict_Check(object)) {
        return -1;
    }
    return PyArray_Check(object) || PyArray_IsScalar(object, Generic)
           || la_is_known_type(Py_TYPE(object)) ? 0 : -1;
}

static void
la_run_forget(la_running *self)
{
    for (int i = 0; i < self->operation.count; i++) {
        Py_DECREF(self->operation.operands[i].facade);
    }
}

int
la_run_looks(PyObject *object)
{
    la_run_terms terms = {.writes = 0};
    la_running self;

    self.terms = &terms;
    self.operation.count = self.containers = 0;
    self.objects = false;
    int found = la_run_collect(&self, object, 0);
    la_run_forget(&self);
    return found;
}

/* -- what stands in their place ------------------------------------------------------ */

static PyObject *la_run_replaced(la_running *self, PyObject *object, int depth);

/* The items of a container with raw views among them, in a list or tuple; a new reference. */
static PyObject *
la_run_replaced_items(la_running *self, PyObject *container, int depth)
{
    bool is_list = PyList_CheckExact(container), changed = false;
    PyObject *items = la_items_of(container);
    Py_ssize_t count = items == NULL ? 0 : PyTuple_GET_SIZE(items);
    PyObject *made = items == NULL ? NULL : is_list ? PyList_New(count) : PyTuple_New(count);

    for (Py_ssize_t i = 0; made != NULL && i < count; i++) {
        PyObject *old = PyTuple_GET_ITEM(items, i);
        PyObject *item = la_run_replaced(self, old, depth);
        if (item == NULL) {
            Py_CLEAR(made);
            break;
        }
        changed |= item != old;
        if (is_list) {
            PyList_SET_ITEM(made, i, item);
        }
        else {
            PyTuple_SET_ITEM(made, i, item);
        }
    }
    Py_XDECREF(items);
    if (made != NULL && !changed) {
        Py_SETREF(made, Py_NewRef(container));
    }
    return made;
}

static PyObject *
la_run_replaced_values(la_running *self, PyObject *dict, int depth)
{
    PyObject *old = PyDict_Copy(dict), *made = old == NULL ? NULL : PyDict_Copy(old);
    PyObject *name, *value;
    Py_ssize_t position = 0;

    while (made != NULL && PyDict_Next(old, &position, &name, &value)) {
        PyObject *item = la_run_replaced(self, value, depth);
        if (item == NULL || (item != value && PyDict_SetItem(made, name, item) < 0)) {
            Py_CLEAR(made);
        }
        Py_XDECREF(item);
    }
    Py_XDECREF(old);
    return made;
}

static PyObject *
la_run_replaced(la_running *self, PyObject *object, int depth)
{
    if (la_is_exact(object)) {
        for (int i = 0; i < self->operation.count; i++) {
            if (self->operation.operands[i].facade == object) {
                return Py_NewRef(self->raws[i]);
            }
        }
        return Py_NewRef(object);
    }
    if (depth < LA_DEEPEST && (PyList_CheckExact(object) || PyTuple_CheckExact(object))) {
        return la_run_replaced_items(self, object, depth + 1);
    }
    if (depth < LA_DEEPEST && PyDict_CheckExact(object)) {
        return la_run_replaced_values(self, object, depth + 1);
    }
    return Py_NewRef(object);
}

/* -- the call ------------------------------------------------------------------------ */

/* May Python code run while NumPy converts it: are there Python objects in it? */
static bool
la_may_run_code(PyObject *object, int depth)
{
    if (Py_TYPE(object) == &PyArray_Type) {
        PyArray_Descr *descr = PyArray_DESCR((PyArrayObject *)object);
        return !PyTypeNum_ISNUMBER(descr->type_num) && descr->type_num != NPY_BOOL;
    }
    if (la_is_plain_argument(object) || la_is_number(object) || la_is_exact(object)) {
        return false;
    }
    bool is_list = PyList_CheckExact(object);
    if (depth == 0 || (!is_list && !PyTuple_CheckExact(object))) {
        return true;
    }
    PyObject *items = la_items_of(object);
    bool may = items == NULL;
    for (Py_ssize_t i = 0; !may && i < PyTuple_GET_SIZE(items); i++) {
        may = la_may_run_code(PyTuple_GET_ITEM(items, i), depth - 1);
    }
    Py_XDECREF(items);
    PyErr_Clear();
    return may;
}

/*
 * In which mode to make raw views of what is read. Where NumPy's C code would copy a
 * read-only array to read it, one that may be written spares that: but only where nobody
 * sees it, neither code of an argument nor a profiler or debugger of this thread.
 */
static la_mode
la_run_raw_mode(const la_run_terms *terms, PyObject *const *args, Py_ssize_t count)
{
    PyThreadState *state = PyThreadState_Get();

    if (!terms->copies_read_only || state->c_profilefunc != NULL || state->c_tracefunc != NULL) {
        return LA_READ;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (la_may_run_code(args[i], 2)) {
            return LA_READ;
        }
    }
    return LA_WRITE;
}

static int
la_run_make_raws(la_running *self, PyObject *const *args, Py_ssize_t count)
{
    la_mode reading = la_run_raw_mode(self->terms, args, count);

    for (int i = 0; i < self->operation.count; i++) {
        const la_operand *operand = &self->operation.operands[i];
        bool objects = PyDataType_REFCHK(la_fields(operand->facade)->descr);
        self->raws[i] = la_raw_make(operand->facade, objects || operand->mode == LA_WRITE
                                                         ? operand->mode : reading);
        if (self->raws[i] == NULL) {
            return -1;
        }
    }
    return 0;
}

/* Tuples of the operands and of their raw views, for the version in Python. Steals `result`. */
static PyObject *
la_run_wrapped(la_running *self, PyObject *result, PyObject *const *args, Py_ssize_t count)
{
    Py_ssize_t operands = self->operation.count;
    PyObject *box = PyList_New(1), *wrapped = NULL;
    PyObject *facades = PyTuple_New(operands), *raws = PyTuple_New(operands);
    PyObject *given = self->terms->anything || self->objects ? Py_NewRef(Py_None)
                                                             : PyTuple_New(count);

    if (box == NULL || facades == NULL || raws == NULL || given == NULL) {
        Py_DECREF(result);
        goto end;
    }
    /* In a list of its own: what nothing else refers to is a result, and not an element. */
    PyList_SET_ITEM(box, 0, result);
    for (Py_ssize_t i = 0; i < operands; i++) {
        PyTuple_SET_ITEM(facades, i, Py_NewRef(self->operation.operands[i].facade));
        PyTuple_SET_ITEM(raws, i, Py_NewRef(self->raws[i]));
    }
    for (Py_ssize_t i = 0; i < count && given != Py_None; i++) {
        PyTuple_SET_ITEM(given, i, Py_NewRef(args[i]));
    }
    wrapped = PyObject_CallFunctionObjArgs(
        la_connected.wrapped_of_several, box, facades, raws,
        self->terms->read_only_result ? Py_True : Py_False, given, NULL);
end:
    Py_XDECREF(box);
    Py_XDECREF(facades);
    Py_XDECREF(raws);
    Py_XDECREF(given);
    return wrapped;
}

/* What to give out for what may be a raw view: borrowed; NULL: that is not plain to see. */
static PyObject *
la_run_item(const la_running *self, PyObject *item)
{
    for (int i = 0; i < self->operation.count; i++) {
        if (item == self->raws[i]) {
            return self->operation.operands[i].facade;
        }
    }
    return !PyTuple_Check(item) && la_is_new(item) ? item : NULL;
}

/* The same of the items of a tuple that NumPy made: a new one, or NULL. Several outs are so. */
static PyObject *
la_run_items(const la_running *self, PyObject *result)
{
    if (!PyTuple_CheckExact(result) || !la_is_unique(result)) {
        return NULL;
    }
    PyObject *items = PyTuple_New(PyTuple_GET_SIZE(result));
    for (Py_ssize_t i = 0; items != NULL && i < PyTuple_GET_SIZE(result); i++) {
        PyObject *item = la_run_item(self, PyTuple_GET_ITEM(result, i));
        if (item == NULL) {
            Py_CLEAR(items);
        }
        else {
            PyTuple_SET_ITEM(items, i, Py_NewRef(item));
        }
    }
    PyErr_Clear();
    return items;
}

static PyObject *
la_run_result(la_running *self, PyObject *result, PyObject *const *args, Py_ssize_t count)
{
    bool records = false;

    if (result == NULL || self->terms->elements) {
        return result;
    }
    for (int i = 0; i < self->operation.count; i++) {
        if (result == self->raws[i]) {
            Py_DECREF(result);
            return Py_NewRef(self->operation.operands[i].facade);
        }
        records |= PyArray_TYPE((PyArrayObject *)self->raws[i]) == NPY_VOID;
    }
    if (la_is_new(result) || (self->terms->lists && PyList_CheckExact(result) && !records)) {
        return result;
    }
    PyObject *items = la_run_items(self, result);
    if (items != NULL) {
        Py_DECREF(result);
        return items;
    }
    return la_run_wrapped(self, result, args, count);
}

/* With the locks held. */
static PyObject *
la_run_locked(la_running *self, PyObject *const *args, Py_ssize_t nargs, Py_ssize_t count,
              PyObject *kwnames, uint32_t holding)
{
    PyObject *passed[LA_MOST_RUN_ARGUMENTS + 1], *result = NULL;
    Py_ssize_t done = 0;

    if (la_run_make_raws(self, args, count) < 0) {
        return NULL;
    }
    for (; done < count; done++) {
        passed[done + 1] = holding >> done & 1 ? la_run_replaced(self, args[done], 0)
                                               : Py_NewRef(args[done]);
        if (passed[done + 1] == NULL) {
            break;
        }
    }
    if (done == count) {
        result = PyObject_Vectorcall(self->terms->function, passed + 1,
                                     (size_t)nargs | PY_VECTORCALL_ARGUMENTS_OFFSET, kwnames);
    }
    while (done > 0) {          /* before references to the result are counted */
        Py_DECREF(passed[done--]);
    }
    return la_run_result(self, result, args, count);
}

/*
 * Does it leave alone what objects there are? Of what is written, code of elements may freeze the
 * array meanwhile; and what stores, stores the very objects that lists of it hold.
 */
static bool
la_run_only_reads(const la_run_terms *terms)
{
    if (terms->writes != 0) {
        return false;
    }
    int stores = PySet_Contains(la_connected.stores, terms->function);
    PyErr_Clear();          /* of what cannot be hashed */
    return stores == 0;
}

PyObject *
la_run(const la_run_terms *terms, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
       bool *general)
{
    Py_ssize_t count = nargs + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));
    la_running self;
    PyObject *result = NULL;
    uint32_t holding = 0;       /* which arguments have LockedArrays in them */

    *general = true;
    if (la_class == NULL || count > LA_MOST_RUN_ARGUMENTS) {
        return NULL;
    }
    self.terms = terms;
    self.operation.count = self.containers = 0;
    self.objects = false;
    for (Py_ssize_t i = 0; i < count; i++) {
        int found = la_run_collect(&self, args[i], 0);
        if (found < 0) {
            goto end;
        }
        holding |= (uint32_t)found << i;
    }
    if (self.operation.count == 0) {
        *general = false;
        return PyObject_Vectorcall(terms->function, args, (size_t)nargs, kwnames);
    }
    if (self.objects && !la_run_only_reads(terms)) {
        goto end;
    }
    int locked = la_operation_lock(&self.operation);
    *general = locked == LA_GENERAL;
    if (locked == 0) {
        memset(self.raws, 0, sizeof(self.raws));
        result = la_run_locked(&self, args, nargs, count, kwnames, holding);
        for (int i = 0; i < self.operation.count; i++) {
            if (self.raws[i] != NULL) {
                la_raw_end(self.raws[i]);
                Py_DECREF(self.raws[i]);
            }
        }
        la_operation_unlock(&self.operation);
    }
end:
    la_run_forget(&self);
    return result;
}

PyObject *
la_run_with(const la_run_terms *terms, PyObject *args, PyObject *kwargs, bool *general)
{
    PyObject *passed[LA_MOST_RUN_ARGUMENTS], *kwnames = NULL, *name, *value;
    Py_ssize_t nargs = PyTuple_GET_SIZE(args), position = 0;
    Py_ssize_t named = kwargs == NULL ? 0 : PyDict_GET_SIZE(kwargs);

    *general = true;
    if (nargs + named > LA_MOST_RUN_ARGUMENTS) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        passed[i] = PyTuple_GET_ITEM(args, i);
    }
    if (named != 0) {
        kwnames = PyTuple_New(named);
        if (kwnames == NULL) {
            PyErr_Clear();
            return NULL;
        }
        for (Py_ssize_t i = 0; PyDict_Next(kwargs, &position, &name, &value); i++) {
            if (!PyUnicode_CheckExact(name)) {
                Py_DECREF(kwnames);
                return NULL;
            }
            PyTuple_SET_ITEM(kwnames, i, Py_NewRef(name));
            passed[nargs + i] = value;
        }
    }
    PyObject *result = la_run(terms, passed, nargs, kwnames, general);
    Py_XDECREF(kwnames);
    return result;
}

/* -- for Python ---------------------------------------------------------------------- */

/* Is it C code of NumPy's or Python's, which calls nobody's back by itself? */
static bool
la_is_in_c(PyObject *function)
{
    PyTypeObject *type = Py_TYPE(function);

    return type == &PyMethodDescr_Type || type == &PyWrapperDescr_Type
           || type == &PyCFunction_Type || type == la_connected.ufunc;
}

/* Writes down what is written, of which there are the ids. */
static bool
la_run_add_ids(la_run_terms *terms, PyObject *ids)
{
    PyObject *fast = PySequence_Fast(ids, "written is a collection of ids");
    bool fits = fast != NULL && PySequence_Fast_GET_SIZE(fast) <= LA_MOST_WRITTEN;

    for (Py_ssize_t i = 0; fits && i < PySequence_Fast_GET_SIZE(fast); i++) {
        terms->written[terms->writes++] = PyLong_AsVoidPtr(PySequence_Fast_GET_ITEM(fast, i));
    }
    Py_XDECREF(fast);
    fits = fits && !PyErr_Occurred();
    PyErr_Clear();
    return fits;
}

/* (function, args, kwargs, written, read_only_result, *, elements), without keywords or with that
   one alone: anything else is for the general version. */
static PyObject *
la_run_python(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    la_run_terms terms = {.writes = 0};
    bool general = true;
    PyObject *result = NULL;

    if (nargs >= 3 && nargs <= 5 && la_is_in_c(args[0]) && PyTuple_CheckExact(args[1])
            && PyDict_CheckExact(args[2])
            && (named == 0
                || (named == 1 && la_is_name(PyTuple_GET_ITEM(kwnames, 0), la_names.elements)
                    && PyBool_Check(args[nargs])))
            && (nargs < 5 || PyBool_Check(args[4]))
            && (nargs < 4 || la_run_add_ids(&terms, args[3]))) {
        PyObject *owner = PyCFunction_CheckExact(args[0]) ? PyCFunction_GET_SELF(args[0]) : args[0];
        terms.function = args[0];
        terms.read_only_result = nargs == 5 && args[4] == Py_True;
        terms.elements = named == 1 && args[nargs] == Py_True;
        terms.anything = owner != NULL && Py_TYPE(owner) == la_connected.ufunc;
        PyObject *as_python[] = {la_connected.tolist, la_connected.item};
        terms.lists = args[0] == as_python[0] || args[0] == as_python[1];
        result = la_run_with(&terms, args[1], args[2], &general);
    }
    if (!general || PyErr_Occurred()) {
        return result;
    }
    return PyObject_Vectorcall(la_connected.run, args, (size_t)nargs, kwnames);
}

static PyMethodDef la_run_functions[] = {
    {"run", (PyCFunction)(void (*)(void))la_run_python, METH_FASTCALL | METH_KEYWORDS,
     "Call a function as one atomic operation; see the general version."},
    {NULL, NULL, 0, NULL},
};

static PyObject *
la_locked_run(PyObject *module, PyObject *general)
{
    Py_XSETREF(la_connected.run, Py_NewRef(general));
    return PyObject_GetAttrString(module, "run");
}

static PyMethodDef la_run_makers[] = {
    {"locked_run", la_locked_run, METH_O,
     "The function that calls others as one operation; this is its general version."},
    {NULL, NULL, 0, NULL},
};

int
la_run_add(PyObject *module)
{
    return PyModule_AddFunctions(module, la_run_functions) < 0 ? -1
        : PyModule_AddFunctions(module, la_run_makers);
}
