# For hosts whose AppArmor keeps unprivileged programs from user namespaces (Ubuntu 23.10 and later): jobs may make them.
#
#   sudo apparmor_parser --replace docker/apparmor.profile      # then RINGEXP_APPARMOR=ringexp in .env
abi <abi/4.0>,

profile ringexp flags=(unconfined) {
  userns,
}
