/*
 * Attributes and methods of objects that are not compiled, each place remembering where it found its own last.
 *
 * mypyc reads and sets an attribute of a foreign object in the general way, which looks the name up in the type each time:
 * some 18 ns, 200 times a call. The interpreter remembers the place beside the instruction (PEP 659), and so does this, by the
 * same rule: a type's version tag is its own, is never given twice, and is gone when the type or a base of it changes.
 *
 * Included before the generated code. What is not plain (instance dictionaries, properties, other ways to find an
 * attribute) goes the general way, and so does a place that meets many types.
 */
#ifndef DWCTL_INLINE_CACHE_H
#define DWCTL_INLINE_CACHE_H

#include <Python.h>
#include <structmember.h>

#include "CPy.h"

#if defined(__GNUC__) && PY_VERSION_HEX >= 0x030B0000 && !defined(Py_GIL_DISABLED)

#define DWCTL_NO_VERSION UINT_MAX
/* So many types at one place, and it remembers none any more. */
#define DWCTL_MOST_TYPES 16
#define DWCTL_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define DWCTL_RARE __attribute__((unused, noinline, cold))

typedef struct {
    unsigned int version;
    int types;
    /* Of a slot: its place in the object. */
    Py_ssize_t offset;
    /* Of anything that is computed; NULL for a slot. */
    getter get;
    void *closure;
} DwctlAttribute;

typedef struct {
    unsigned int version;
    int types;
    /* Borrowed of the type, as long as its version is the same. */
    PyObject *method;
} DwctlMethod;

static DWCTL_RARE PyObject *DwctlAttribute_Find(DwctlAttribute *place, PyObject *object, PyObject *name) {
    PyTypeObject *type = Py_TYPE(object);
    if (place->types < DWCTL_MOST_TYPES && type->tp_getattro == PyObject_GenericGetAttr) {
        place->types++;
        place->version = DWCTL_NO_VERSION;
        PyObject *found = _PyType_Lookup(type, name);
        if (found != NULL && type->tp_version_tag != 0) {
            /* Of another type, lent to this one: it refuses objects of this one, and must be asked each time. */
            int own = (Py_IS_TYPE(found, &PyMemberDescr_Type) || Py_IS_TYPE(found, &PyGetSetDescr_Type))
                && PyType_IsSubtype(type, PyDescr_TYPE(found));
            if (own && Py_IS_TYPE(found, &PyMemberDescr_Type)) {
                PyMemberDef *member = ((PyMemberDescrObject *)found)->d_member;
                if (member->type == T_OBJECT_EX && (member->flags & ~READONLY) == 0) {
                    place->get = NULL;
                    place->offset = member->offset;
                    place->version = type->tp_version_tag;
                }
            } else if (own) {
                PyGetSetDef *computed = ((PyGetSetDescrObject *)found)->d_getset;
                if (computed->get != NULL) {
                    place->get = computed->get;
                    place->closure = computed->closure;
                    place->version = type->tp_version_tag;
                }
            }
        }
    }
    return PyObject_GetAttr(object, name);
}

static inline __attribute__((unused)) PyObject *DwctlAttribute_Get(
    DwctlAttribute *place, PyObject *object, PyObject *name
) {
    if (DWCTL_LIKELY(Py_TYPE(object)->tp_version_tag == place->version)) {
        if (place->get != NULL) {
            return place->get(object, place->closure);
        }
        PyObject *value = *(PyObject **)((char *)object + place->offset);
        if (DWCTL_LIKELY(value != NULL)) {
            Py_INCREF(value);
            return value;
        }
        /* Not set: the general way says so. */
        return PyObject_GetAttr(object, name);
    }
    return DwctlAttribute_Find(place, object, name);
}

static DWCTL_RARE PyObject *DwctlMethod_Find(
    DwctlMethod *place, PyObject *name, PyObject *const *args, size_t nargsf, PyObject *kwnames
) {
    PyTypeObject *type = Py_TYPE(args[0]);
    /* A dictionary of the instance would go before a method of the type. */
    if (place->types < DWCTL_MOST_TYPES && type->tp_getattro == PyObject_GenericGetAttr && type->tp_dictoffset == 0) {
        place->types++;
        place->version = DWCTL_NO_VERSION;
        PyObject *found = _PyType_Lookup(type, name);
        if (found != NULL && type->tp_version_tag != 0
            && PyType_HasFeature(Py_TYPE(found), Py_TPFLAGS_METHOD_DESCRIPTOR)) {
            place->method = found;
            place->version = type->tp_version_tag;
        }
    }
    return PyObject_VectorcallMethod(name, args, nargsf, kwnames);
}

static inline __attribute__((unused)) PyObject *DwctlMethod_Call(
    DwctlMethod *place, PyObject *name, PyObject *const *args, size_t nargsf, PyObject *kwnames
) {
    if (DWCTL_LIKELY(Py_TYPE(args[0])->tp_version_tag == place->version)) {
        PyObject *method = place->method;
        Py_INCREF(method);
        PyObject *result = PyObject_Vectorcall(method, args, nargsf & ~PY_VECTORCALL_ARGUMENTS_OFFSET, kwnames);
        Py_DECREF(method);
        return result;
    }
    return DwctlMethod_Find(place, name, args, nargsf, kwnames);
}

/* What sets an attribute of the type in the plain way: the interpreter's own function, or that of a msgspec struct. The
 * struct's tells the garbage collector of itself, which one without garbage collection has no use for; a frozen one has
 * another function than the base of all structs. */
static DWCTL_RARE int Dwctl_SetsPlainly(PyTypeObject *type) {
    if (type->tp_setattro == PyObject_GenericSetAttr) {
        return 1;
    }
    PyTypeObject *kind = Py_TYPE(type);
    if (PyType_IS_GC(type) || strcmp(kind->tp_name, "msgspec._core.StructMeta") != 0) {
        return 0;
    }
    PyTypeObject *root = type;
    while (root->tp_base != NULL && Py_IS_TYPE(root->tp_base, kind)) {
        root = root->tp_base;
    }
    return root != type && type->tp_setattro == root->tp_setattro;
}

static DWCTL_RARE int DwctlAttribute_FindToSet(
    DwctlAttribute *place, PyObject *object, PyObject *name, PyObject *value
) {
    PyTypeObject *type = Py_TYPE(object);
    if (place->types < DWCTL_MOST_TYPES && value != NULL && Dwctl_SetsPlainly(type)) {
        place->types++;
        place->version = DWCTL_NO_VERSION;
        PyObject *found = _PyType_Lookup(type, name);
        if (found != NULL && type->tp_version_tag != 0 && Py_IS_TYPE(found, &PyMemberDescr_Type)
            && PyType_IsSubtype(type, PyDescr_TYPE(found))) {
            PyMemberDef *member = ((PyMemberDescrObject *)found)->d_member;
            if (member->type == T_OBJECT_EX && member->flags == 0) {
                place->offset = member->offset;
                place->version = type->tp_version_tag;
            }
        }
    }
    return PyObject_SetAttr(object, name, value);
}

static inline __attribute__((unused)) int DwctlAttribute_Set(
    DwctlAttribute *place, PyObject *object, PyObject *name, PyObject *value
) {
    if (DWCTL_LIKELY(Py_TYPE(object)->tp_version_tag == place->version && value != NULL)) {
        PyObject **slot = (PyObject **)((char *)object + place->offset);
        PyObject *before = *slot;
        Py_INCREF(value);
        *slot = value;
        Py_XDECREF(before);
        return 0;
    }
    return DwctlAttribute_FindToSet(place, object, name, value);
}

#undef CPyObject_GetAttr
#define CPyObject_GetAttr(object, name)                                  \
    __extension__({                                                      \
        static DwctlAttribute place = {.version = DWCTL_NO_VERSION};     \
        DwctlAttribute_Get(&place, (object), (name));                    \
    })

#define PyObject_SetAttr(object, name, value)                            \
    __extension__({                                                      \
        static DwctlAttribute place = {.version = DWCTL_NO_VERSION};     \
        DwctlAttribute_Set(&place, (object), (name), (value));           \
    })

#define PyObject_VectorcallMethod(name, args, nargsf, kwnames)           \
    __extension__({                                                      \
        static DwctlMethod place = {.version = DWCTL_NO_VERSION};        \
        DwctlMethod_Call(&place, (name), (args), (nargsf), (kwnames));   \
    })

#endif
#endif
