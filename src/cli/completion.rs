//! `imgmgrd completion`: what a shell completes.

use clap::ValueEnum;

/// A shell, by its usual name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Shell {
    /// In ~/.bashrc: source <(imgmgrd completion bash)
    Bash,
    /// Into a folder of $fpath, as _imgmgrd
    Zsh,
    /// In ~/.config/fish/config.fish: imgmgrd completion fish | source
    Fish,
}

impl Shell {
    /// Its completions. They are made of the command line by `make generate`, as the man pages are: a switch does not have
    /// to carry what generates them.
    pub(super) fn script(self) -> &'static str {
        match self {
            Self::Bash => include_str!("../../completions/imgmgrd.bash"),
            Self::Zsh => include_str!("../../completions/_imgmgrd"),
            Self::Fish => include_str!("../../completions/imgmgrd.fish"),
        }
    }
}
