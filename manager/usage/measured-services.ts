import { isEvent, type ReadView, type StoreEvent } from '../store/store.js';

/** The services that are scaled by load: their tasks are to be measured. */
export class MeasuredServices {
  #ids = new Set<string>();

  start(view: ReadView): void {
    this.#ids = new Set();
    for (const { id, spec } of view.list('service')) if (spec.autoscale) this.#ids.add(id);
  }

  /** @returns nodes of which another set is to be measured than before, as it may be */
  observe(view: ReadView, event: StoreEvent): Iterable<string> {
    if (isEvent(event, 'task')) {
      const { object, old } = event;
      const stays = event.action === 'update' && object.nodeId === old?.nodeId;
      return stays || !this.#ids.has(object.serviceId) ? [] : [object.nodeId];
    }
    if (!isEvent(event, 'service')) return [];
    const { id, spec } = event.object;
    const isMeasured = event.action !== 'remove' && spec.autoscale !== undefined;
    if (isMeasured === this.#ids.has(id)) return [];
    if (isMeasured) this.#ids.add(id);
    else this.#ids.delete(id);
    return new Set([...view.tasksOfService(id)].map(({ nodeId }) => nodeId));
  }

  /** Those that have tasks on the node. Where no service is scaled by load, the node's tasks are not looked at. */
  onNode(view: ReadView, nodeId: string): readonly string[] {
    if (this.#ids.size === 0) return [];
    const found = new Set<string>();
    for (const { serviceId } of view.tasksOfNode(nodeId)) if (this.#ids.has(serviceId)) found.add(serviceId);
    return [...found];
  }
}
