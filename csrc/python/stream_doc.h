/* The docstrings of _core.Stream, which stream_type.c uses. */
#ifndef PYLSTM_PYTHON_STREAM_DOC_H
#define PYLSTM_PYTHON_STREAM_DOC_H

extern const char stream_doc[], stream_call_doc[], stream_module_doc[], stream_state_doc[],
    stream_reset_doc[], stream_fork_doc[], stream_select_doc[], stream_join_doc[],
    stream_leave_doc[], stream_reduce_doc[];

#endif
