#include "interrupt.h"

#include "../threads/os.h"

/* About how much work, and how much time, passes before signals are looked for. */
#define WORK_PER_LOOK 10e6
#define NANOSECONDS_PER_LOOK 30000000

static bool interrupt_asked(void *data)
{
    struct interrupt *interrupt = data;

    if (interrupt->raised || ++interrupt->asked < interrupt->per_look)
        return interrupt->raised;
    interrupt->asked = 0;
    if (os_nanoseconds() - interrupt->looked < NANOSECONDS_PER_LOOK)
        return false;
    if (interrupt->lock != NULL)
        lock_release(interrupt->lock);
    if (interrupt->thread == NULL) /* others have waited for as long as this call runs */
        interrupt->thread = PyEval_SaveThread();
    PyEval_RestoreThread(interrupt->thread);
    interrupt->raised = PyErr_CheckSignals() < 0;
    if (interrupt->lock != NULL) {
        interrupt->thread = NULL;
        lock_acquire(interrupt->lock);
    } else
        interrupt->thread = PyEval_SaveThread();
    interrupt->looked = os_nanoseconds();
    return interrupt->raised;
}

/* True if signal handlers run in this thread. Another thread need not take the GIL for them. Reads
 * the attributes behind main_thread() and its ident, which are Python functions: a signal's handler
 * may run in those, and what it raises would be lost. */
static bool in_main_thread(void)
{
    PyObject *name = PyUnicode_FromString("threading");
    PyObject *module = name == NULL ? NULL : PyImport_GetModule(name);
    PyObject *thread = module == NULL ? NULL : PyObject_GetAttrString(module, "_main_thread");
    PyObject *ident = thread == NULL ? NULL : PyObject_GetAttrString(thread, "_ident");
    const unsigned long main_thread = ident == NULL ? 0 : PyLong_AsUnsignedLong(ident);
    const bool known = ident != NULL && !PyErr_Occurred();

    PyErr_Clear(); /* not known: looked for in vain, at worst */
    Py_XDECREF(name);
    Py_XDECREF(module);
    Py_XDECREF(thread);
    Py_XDECREF(ident);
    return !known || main_thread == PyThread_get_thread_ident();
}

void interrupt_watch(struct interrupt *interrupt, struct rnn_call *call, double work,
                     struct lock *lock)
{
    const double steps = (double)call->steps;
    const double per_look = WORK_PER_LOOK * steps / work;

    *interrupt = (struct interrupt){
        .stop = {interrupt_asked, interrupt},
        .lock = lock,
        .looked = os_nanoseconds(),
        .per_look = per_look < 1     ? 1
                    : per_look > 1e9 ? 1000000000
                                     : (unsigned)per_look,
    };
    call->stop = &interrupt->stop;
}

void gil_release(struct interrupt *interrupt, struct rnn_call *call, double work)
{
    interrupt->raised = false;
    if (work > INTERRUPTIBLE_WORK && in_main_thread())
        interrupt_watch(interrupt, call, work, NULL);
    interrupt->thread = PyEval_SaveThread();
}

int gil_acquire(struct interrupt *interrupt)
{
    PyEval_RestoreThread(interrupt->thread);
    return interrupt->raised ? -1 : 0;
}
