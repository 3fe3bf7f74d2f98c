/** Values of linux/netfilter/nf_tables.h and nfnetlink.h. */

/** Values of linux/netfilter.h (NFPROTO_*). */
export const families = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const;
export const NFPROTO_UNSPEC = 0;

export const NFNL_MSG_BATCH_BEGIN = 16;
export const NFNL_MSG_BATCH_END = 17;

export const NFT_MSG_NEWTABLE = 0;
export const NFT_MSG_GETTABLE = 1;
export const NFT_MSG_DELTABLE = 2;
export const NFT_MSG_NEWCHAIN = 3;
export const NFT_MSG_GETCHAIN = 4;
export const NFT_MSG_DELCHAIN = 5;
export const NFT_MSG_NEWRULE = 6;
export const NFT_MSG_GETRULE = 7;
export const NFT_MSG_DELRULE = 8;
export const NFT_MSG_NEWSET = 9;
export const NFT_MSG_GETSET = 10;
export const NFT_MSG_DELSET = 11;
export const NFT_MSG_NEWSETELEM = 12;
export const NFT_MSG_GETSETELEM = 13;
export const NFT_MSG_DELSETELEM = 14;
export const NFT_MSG_GETGEN = 16;

export const NFTA_GEN_ID = 1;
/** The table's name, in messages of each kind of object. */
export const NFTA_TABLE = 1;

export const NFTA_LIST_ELEM = 1;

export const NFTA_TABLE_FLAGS = 2;

export const NFTA_CHAIN_NAME = 3;
export const NFTA_CHAIN_HOOK = 4;
export const NFTA_CHAIN_POLICY = 5;
export const NFTA_CHAIN_TYPE = 7;
export const NFTA_HOOK_HOOKNUM = 1;
export const NFTA_HOOK_PRIORITY = 2;
export const NFTA_HOOK_DEV = 3;
export const NFTA_HOOK_DEVS = 4;

export const NFTA_RULE_CHAIN = 2;
export const NFTA_RULE_EXPRESSIONS = 4;
export const NFTA_RULE_USERDATA = 7;

export const NFTA_SET_NAME = 2;
export const NFTA_SET_FLAGS = 3;
export const NFTA_SET_KEY_TYPE = 4;
export const NFTA_SET_KEY_LEN = 5;
export const NFTA_SET_DATA_TYPE = 6;
export const NFTA_SET_DATA_LEN = 7;
export const NFTA_SET_DESC = 9;
export const NFTA_SET_DESC_SIZE = 1;
export const NFTA_SET_ID = 10;
export const NFTA_SET_TIMEOUT = 11;
export const NFTA_SET_GC_INTERVAL = 12;
export const NFTA_SET_USERDATA = 13;
/** What each element of a set gets: one expression, or several. */
export const NFTA_SET_EXPR = 17;
export const NFTA_SET_EXPRESSIONS = 18;

export const NFT_SET_ANONYMOUS = 0x1;
export const NFT_SET_CONSTANT = 0x2;
export const NFT_SET_INTERVAL = 0x4;
export const NFT_SET_MAP = 0x8;
export const NFT_SET_TIMEOUT = 0x10;
export const NFT_SET_EVAL = 0x20;

export const NFTA_SET_ELEM_LIST_SET = 2;
export const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
export const NFTA_SET_ELEM_LIST_SET_ID = 4;
export const NFTA_SET_ELEM_KEY = 1;
export const NFTA_SET_ELEM_DATA = 2;
export const NFTA_SET_ELEM_FLAGS = 3;
export const NFTA_SET_ELEM_EXPR = 7;
export const NFT_SET_ELEM_INTERVAL_END = 1;

export const NFTA_DATA_VALUE = 1;
export const NFTA_DATA_VERDICT = 2;
export const NFTA_VERDICT_CODE = 1;
export const NFTA_VERDICT_CHAIN = 2;

export const NFTA_COUNTER_BYTES = 1;
export const NFTA_COUNTER_PACKETS = 2;

export const NFTA_EXPR_NAME = 1;
export const NFTA_EXPR_DATA = 2;

export const NFTA_IMMEDIATE_DATA = 2;
export const NFTA_LOOKUP_DREG = 3;
/** The name of iptables' extension: of the expressions `match` and `target`. */
export const NFTA_EXTENSION_NAME = 1;

/** Of a payload expression: which header its offset counts from. */
export const headers = { ll: 0, network: 1, transport: 2 } as const;
export type Header = keyof typeof headers;

export const metaKeys = { protocol: 1, mark: 3, iifname: 6, oifname: 7, iiftype: 8, l4proto: 16, ipsec: 25 } as const;
export const ctKeys = {
  state: 0,
  direction: 1,
  status: 2,
  mark: 3,
  protoDst: 12,
  zone: 17,
  dstIp: 20,
  dstIp6: 22,
} as const;
export const directions = { original: 0, reply: 1 } as const;
export const NFT_RT_XFRM = 4;
export const NFT_FIB_RESULT_ADDRTYPE = 3;
export const NFTA_FIB_F_DADDR = 2;

export const verdicts = { drop: 0, accept: 1, return: -5 } as const;
export const NFT_JUMP = -3;
export const NFT_GOTO = -4;

export const inetHooks = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
export const netdevHooks = { ingress: 0, egress: 1 } as const;
