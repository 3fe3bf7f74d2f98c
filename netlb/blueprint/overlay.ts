/** An overlay's namespace: a bridge with the VXLAN device and one port per local endpoint. */
import { macOf } from '../../lib/ip.js';
import { OVERLAY_BRIDGE, overlayNamespace, VXLAN_DEVICE } from '../names.js';
import type { Overlay, Underlay } from '../state.js';
import { checkAddress, checkCidr, checkId, checkMac } from './check.js';
import { type Facts, overlayMtu } from './facts.js';
import type { NamespaceBlueprint, Sysctl } from './model.js';

/** A bridge's frames are nobody's business but the bridge's: IP rules must not see them. */
const bridgeSysctls: readonly Sysctl[] = ['iptables', 'ip6tables', 'arptables'].map((hook) => ({
  key: `net/bridge/bridge-nf-call-${hook}`,
  value: '0',
  optional: true,
}));

/** @throws INVALID_ARGUMENT */
export function overlayBlueprint(overlay: Overlay, underlay: Underlay, facts: Facts): NamespaceBlueprint {
  checkId(overlay.id);
  for (const gateway of overlay.gateways) checkCidr(gateway, 'gateway');
  for (const { address, mac, vtep } of overlay.remotes) {
    checkAddress(address, 'remote endpoint');
    checkAddress(vtep, 'tunnel endpoint');
    checkMac(mac);
  }
  const mtu = overlayMtu(overlay.mtu, facts.underlayMtu);
  const [gateway] = overlay.gateways;
  return {
    name: overlayNamespace(overlay.id),
    subject: { kind: 'overlay', id: overlay.id },
    sysctls: bridgeSysctls,
    // A bridge without an address of its own takes that of a port, which changes as ports come and go.
    bridges: [{ name: OVERLAY_BRIDGE, mac: gateway && macOf(gateway), mtu, addresses: overlay.gateways }],
    vxlan: {
      name: VXLAN_DEVICE,
      bridge: OVERLAY_BRIDGE,
      vni: overlay.vni,
      port: underlay.vxlanPort,
      local: underlay.address,
      mtu,
      remotes: overlay.remotes,
    },
    interfaces: [],
    routes: [],
    rules: [],
    neighbours: [],
    tables: [],
  };
}
