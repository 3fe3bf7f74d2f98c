/**
 * A web server as one should be behind a balancer: connections are kept, and when it is told to stop it takes no new
 * ones, closes each after the next answer on it and ends when none is left. It closes its port at once, so that
 * whoever still sends to it then is found out. Run by the machine's own perl.
 */
const SERVER = String.raw`use IO::Socket::INET; use IO::Select;
my ($ends, %in) = 0; $SIG{TERM} = sub { $ends = 1 }; $SIG{PIPE} = "IGNORE";
my $l = IO::Socket::INET->new(LocalPort => 80, Listen => 128, ReuseAddr => 1) or die $!;
my $all = IO::Select->new($l); my $body = "Hostname: " . qx(hostname); my $length = length $body;
until ($ends && !$all->count) {
  if ($ends && $l) { $all->remove($l); close $l; undef $l }
  for my $s ($all->can_read(0.1)) {
    if ($l && $s == $l) { my $c = $l->accept or next; $all->add($c); $in{$c} = ""; next }
    if (!sysread $s, $in{$s}, 65536, length $in{$s}) { $all->remove($s); delete $in{$s}; close $s; next }
    while ($in{$s} =~ s/^.*?\r\n\r\n//s) {
      my $goes = $ends ? "close" : "keep-alive";
      syswrite $s, "HTTP/1.1 200 OK\r\nContent-Length: $length\r\nConnection: $goes\r\n\r\n$body";
    }
    if ($ends && $in{$s} eq "") { $all->remove($s); delete $in{$s}; close $s }
  }
}`;

/** Lends a container the machine's own programs. */
const USR: readonly string[] = ['--mount', 'type=bind,source=/usr,target=/usr,readonly'];

/** Flags of `service create` before the image. It serves no sooner than its check has succeeded. */
export const GRACEFUL_FLAGS: readonly string[] = [
  ...USR,
  ...['--health-cmd', 'wget -q -O /dev/null http://127.0.0.1/', '--health-start-interval', '100ms'],
  ...['--health-start-period', '20s', '--health-interval', '1s', '--health-retries', '3'],
];

/** The command after the image. */
export const GRACEFUL_COMMAND: readonly string[] = ['/usr/bin/perl', '-e', SERVER];
