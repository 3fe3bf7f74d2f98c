import { execAt } from '../../demo/cli.js';
import { type Answer, parseAnswer } from '../../demo/image.js';

/** Answers with its host name and the client's address to each datagram of either family; run by the machine's own perl. */
const SERVER = `use IO::Socket::IP; my $s = IO::Socket::IP->new(LocalHost => "::", LocalPort => 53, V6Only => 0, Proto => "udp", Type => SOCK_DGRAM) or die $@;
my $h = qx(hostname); while (defined $s->recv(my $m, 512)) { $s->send("Hostname: \${h}Client: " . ($s->peerhost =~ s/^::ffff://r) . "\\n") }`;

/** Sends one datagram from a socket of its own and prints the answer. */
const CLIENT = `use IO::Socket::IP; my $s = IO::Socket::IP->new(PeerHost => $ARGV[0], PeerPort => $ARGV[1], Proto => "udp", Type => SOCK_DGRAM) or die $@;
$s->send("?"); $SIG{ALRM} = sub { die "no answer\\n" }; alarm 2; $s->recv(my $m, 512); print $m`;

/** Flags of `service create` before the image: it is lent the machine's own programs, and its port is 5353 of every node. */
export const ECHO_FLAGS: readonly string[] = [
  ...['--publish', 'published=5353,target=53,protocol=udp'],
  ...['--mount', 'type=bind,source=/usr,target=/usr,readonly'],
];

/** The command after the image. */
export const ECHO_COMMAND: readonly string[] = ['/usr/bin/perl', '-e', SERVER];

/** What datagrams of the lab's client to an address are answered, one after another. @throws when one is not */
export async function echoes(address: string, count: number): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (let i = 0; i < count; i++) {
    const { code, stdout, stderr } = await execAt('client', ['perl', '-e', CLIENT, address, '5353']);
    if (code !== 0) throw new Error(`a datagram to ${address}: ${stderr.trim()}`);
    answers.push(parseAnswer(stdout));
  }
  return answers;
}
