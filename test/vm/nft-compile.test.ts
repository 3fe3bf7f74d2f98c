// The same on an older kernel: what differs between kernels is what each of them makes of a message.
import '../kernel/nft-compile.test.js';
