/** Values of nf_tables' netlink messages (linux/netfilter/nf_tables.h). */
export const NFT_MSG_GETTABLE = 1;
export const NFT_MSG_GETCHAIN = 4;
export const NFT_MSG_GETRULE = 7;
export const NFT_MSG_GETSET = 10;
export const NFT_MSG_GETSETELEM = 13;
export const NFT_MSG_GETGEN = 16;
/** The table's name, in messages of each kind of object. */
export const NFTA_TABLE = 1;
export const NFTA_SET_ELEM_LIST_SET = 2;
export const NFTA_GEN_ID = 1;
