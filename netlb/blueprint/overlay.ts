/** An overlay's namespace: a bridge with the VXLAN device and one port per local endpoint. */
import { canonicalCidr, macOf } from '../../lib/ip.js';
import { OVERLAY_BRIDGE, overlayNamespace, VXLAN_DEVICE } from '../names.js';
import type { Overlay, Underlay } from '../state.js';
import { checkId, checkMtu, checkPort, checkVni } from './check.js';
import { checkEncryption, mtuOfOverlay } from './encryption.js';
import { checkedRemotes } from './endpoints.js';
import type { Facts } from './facts.js';
import type { NamespaceBlueprint, Sysctl } from './model.js';

const sysctls: readonly Sysctl[] = [
  // A bridge's frames are nobody's business but the bridge's: IP rules must not see them.
  ...['iptables', 'ip6tables', 'arptables'].map((hook) => ({ key: `net/bridge/bridge-nf-call-${hook}`, value: '0' })),
  // Ports have no use for link-local addresses: each would be announced to all the others.
  { key: 'net.ipv6.conf.default.addr_gen_mode', value: '1' },
].map((sysctl) => ({ ...sysctl, optional: true }));

/** @throws INVALID_ARGUMENT, FAILED_PRECONDITION when it shall be encrypted and cannot be */
export function overlayBlueprint(overlay: Overlay, underlay: Underlay, facts: Facts): NamespaceBlueprint {
  const mtu = mtuOfOverlay(overlay, facts);
  const gateways = overlay.gateways.map(canonicalCidr);
  checkId(overlay.id);
  checkVni(overlay.vni);
  checkPort(underlay.vxlanPort, 'data-path port');
  checkMtu(mtu, gateways);
  const remotes = checkedRemotes(overlay);
  checkEncryption(overlay, facts.encryption);
  const [gateway] = gateways;
  const subject = { kind: 'overlay', id: overlay.id } as const;
  return {
    name: overlayNamespace(overlay.id),
    subject,
    sysctls,
    // A bridge without an address of its own takes that of a port, which changes as ports come and go.
    bridges: [{ name: OVERLAY_BRIDGE, subject, mac: gateway && macOf(gateway), mtu, addresses: gateways }],
    vxlans: [
      {
        name: VXLAN_DEVICE,
        subject,
        bridge: OVERLAY_BRIDGE,
        vni: overlay.vni,
        port: underlay.vxlanPort,
        local: underlay.address,
        mac: undefined,
        mtu,
        addresses: [],
        remotes,
      },
    ],
    interfaces: [],
    routes: [],
    rules: [],
    neighbours: [],
    tables: [],
  };
}
