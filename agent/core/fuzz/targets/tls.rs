#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lanscribe_core_fuzz::run("tls", bytes));
