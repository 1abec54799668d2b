# Sourced helper: an isolated apt root for unpacking packages of another Debian suite.
# shellcheck shell=sh
#
#   debian_mirror            prints where this machine's apt gets the main component of its own suite; fails if apt names none
#   private_apt DIR LINE     makes DIR the place of such an apt, with LINE for its sources.list; APT_CONFIG=DIR/apt.conf then

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

need_apt() { # need_apt PROGRAM...: apt-get, the keyring and these, or the end
    local program
    for program in apt-get "$@"; do
        command -v "$program" > /dev/null || { echo "needs $program" >&2; exit 1; }
    done
    [ -e "$keyring" ] || { echo "needs $keyring (Debian's package debian-archive-keyring)" >&2; exit 1; }
}

debian_mirror() {
    local codename mirror
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $codename" 'Component: main' |
        head -n 1)
    [ -n "$mirror" ] || { echo "apt names no mirror for $codename: set the variable that names one" >&2; return 1; }
    echo "$mirror"
}

private_apt() {
    mkdir -p "$1"/lists/partial "$1"/cache/archives/partial
    : > "$1/status"
    echo "$2" > "$1/sources.list"
    cat > "$1/apt.conf" <<END
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::Lists "$1/lists";
Dir::State::status "$1/status";
Dir::Cache "$1/cache";
APT::Install-Recommends "0";
APT::Sandbox::User "";
Debug::NoLocking "1";
END
}
