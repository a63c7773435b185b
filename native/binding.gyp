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
        "convert.cpp",
        "distance.cpp",
        "exact_sum.cpp",
        "hinge_embedding_loss.cpp",
        "kernels/avx2.cpp",
        "kernels/avx512.cpp",
        "kernels/baseline.cpp",
        "kernels/cpu.cpp",
        "kernels/kernels.cpp",
        "parallel.cpp",
        "power.cpp",
        "reduce.cpp",
        "system_posix.cpp",
        "system_windows.cpp"
      ]
    },
    {
      "target_name": "hinge_embedding_loss",
      "dependencies": ["core"],
      "sources": ["addon.cpp", "node_api_windows.cpp"],
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
        "duckdb/aggregates.cpp",
        "duckdb/calibration.cpp",
        "duckdb/call_sites.cpp",
        "duckdb/distances.cpp",
        "duckdb/extension.cpp",
        "duckdb/figures.cpp",
        "duckdb/group_states.cpp",
        "duckdb/packed_partial.cpp",
        "duckdb/partial.cpp",
        "duckdb/registration.cpp",
        "duckdb/scalars.cpp",
        "duckdb/settings.cpp",
        "duckdb/stack_unwind.cpp",
        "duckdb/stack_windows.cpp",
        "duckdb/text.cpp"
      ]
    }
  ]
}
