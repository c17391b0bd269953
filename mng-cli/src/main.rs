fn main() -> std::process::ExitCode {
    mng_cli::main()
}
