#if defined(_WIN32)

// Functions of Node-API for the linker. An import library would name node.exe, but the program that loads the
// addon may have another name. So each function jumps to the address that the running program exports it at.

#include <windows.h>

// The functions that the addon calls.
#define NODE_API_FUNCTIONS(FUNCTION)          \
  FUNCTION(napi_async_destroy)                \
  FUNCTION(napi_call_function)                \
  FUNCTION(napi_close_callback_scope)         \
  FUNCTION(napi_close_escapable_handle_scope) \
  FUNCTION(napi_close_handle_scope)           \
  FUNCTION(napi_create_array)                 \
  FUNCTION(napi_create_double)                \
  FUNCTION(napi_create_error)                 \
  FUNCTION(napi_create_function)              \
  FUNCTION(napi_create_object)                \
  FUNCTION(napi_create_reference)             \
  FUNCTION(napi_create_string_utf8)           \
  FUNCTION(napi_create_type_error)            \
  FUNCTION(napi_define_properties)            \
  FUNCTION(napi_delete_reference)             \
  FUNCTION(napi_escape_handle)                \
  FUNCTION(napi_fatal_error)                  \
  FUNCTION(napi_get_and_clear_last_exception) \
  FUNCTION(napi_get_boolean)                  \
  FUNCTION(napi_get_cb_info)                  \
  FUNCTION(napi_get_element)                  \
  FUNCTION(napi_get_last_error_info)          \
  FUNCTION(napi_get_named_property)           \
  FUNCTION(napi_get_property)                 \
  FUNCTION(napi_get_reference_value)          \
  FUNCTION(napi_get_typedarray_info)          \
  FUNCTION(napi_get_undefined)                \
  FUNCTION(napi_get_value_double)             \
  FUNCTION(napi_get_value_int32)              \
  FUNCTION(napi_get_value_int64)              \
  FUNCTION(napi_get_value_string_utf8)        \
  FUNCTION(napi_get_value_uint32)             \
  FUNCTION(napi_has_property)                 \
  FUNCTION(napi_is_exception_pending)         \
  FUNCTION(napi_open_escapable_handle_scope)  \
  FUNCTION(napi_open_handle_scope)            \
  FUNCTION(napi_set_element)                  \
  FUNCTION(napi_set_named_property)           \
  FUNCTION(napi_throw)                        \
  FUNCTION(napi_throw_range_error)            \
  FUNCTION(napi_typeof)

extern "C" {

#define DEFINE_FUNCTION(name)              \
  [[gnu::used]] FARPROC address_of_##name; \
  [[gnu::naked]] void name() { __asm__("jmp *address_of_" #name "(%rip)"); }
NODE_API_FUNCTIONS(DEFINE_FUNCTION)
#undef DEFINE_FUNCTION

// The addon does not load into a program that lacks a function.
BOOL WINAPI DllMain(HINSTANCE, DWORD reason, LPVOID) {
  if (reason != DLL_PROCESS_ATTACH) return TRUE;
  const HMODULE program = GetModuleHandleW(nullptr);
  bool has_all = true;
#define FIND_FUNCTION(name) has_all &= (address_of_##name = GetProcAddress(program, #name)) != nullptr;
  NODE_API_FUNCTIONS(FIND_FUNCTION)
#undef FIND_FUNCTION
  return has_all;
}

}  // extern "C"

#endif
