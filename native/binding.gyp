{
  "target_defaults": {
    "cflags_cc!": ["-std=gnu++17", "-fno-exceptions", "-fno-rtti"],
    "cflags_cc": ["-std=c++20", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-Wno-psabi"],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
      "GCC_OPTIMIZATION_LEVEL": "3",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      "OTHER_CPLUSPLUSFLAGS": ["-ffp-contract=off"]
    }
  },
  "targets": [
    {
      "target_name": "core",
      "type": "static_library",
      "sources": [
        "../native/convert.cpp",
        "../native/exact_sum.cpp",
        "../native/hinge_embedding_loss.cpp",
        "../native/kernels/avx2.cpp",
        "../native/kernels/avx512.cpp",
        "../native/kernels/baseline.cpp",
        "../native/kernels/cpu.cpp",
        "../native/kernels/kernels.cpp",
        "../native/parallel.cpp",
        "../native/reduce.cpp",
        "../native/system_posix.cpp",
        "../native/system_windows.cpp"
      ]
    },
    {
      "target_name": "hinge_embedding_loss",
      "dependencies": ["core"],
      "sources": ["../native/addon.cpp", "../native/node_api_windows.cpp"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS", "NAPI_CPP_EXCEPTIONS"]
    },
    {
      "target_name": "duckdb_extension_code",
      "type": "shared_library",
      "product_prefix": "",
      "product_extension": "so",
      "dependencies": ["core"],
      "sources": [
        "../native/duckdb/aggregates.cpp",
        "../native/duckdb/calibration.cpp",
        "../native/duckdb/call_sites.cpp",
        "../native/duckdb/extension.cpp",
        "../native/duckdb/figures.cpp",
        "../native/duckdb/group_states.cpp",
        "../native/duckdb/partial.cpp",
        "../native/duckdb/registration.cpp",
        "../native/duckdb/scalars.cpp",
        "../native/duckdb/settings.cpp",
        "../native/duckdb/stack_unwind.cpp",
        "../native/duckdb/stack_windows.cpp",
        "../native/duckdb/text.cpp"
      ]
    }
  ]
}
