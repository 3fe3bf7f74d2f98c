import { isEvent, type ReadView, type StoreEvent } from '../store/store.js';

/** The services that are scaled by load: their tasks are to be measured. */
export class MeasuredServices {
  #ids = new Set<string>();

  start(view: ReadView): void {
    this.#ids = new Set();
    for (const { id, spec } of view.list('service')) if (spec.autoscale) this.#ids.add(id);
  }

  observe(event: StoreEvent): void {
    if (!isEvent(event, 'service')) return;
    const { id, spec } = event.object;
    if (event.action !== 'remove' && spec.autoscale) this.#ids.add(id);
    else this.#ids.delete(id);
  }

  /** Those that have tasks on the node. Where no service is scaled by load, the node's tasks are not looked at. */
  onNode(view: ReadView, nodeId: string): readonly string[] {
    if (this.#ids.size === 0) return [];
    const found = new Set<string>();
    for (const { serviceId } of view.tasksOfNode(nodeId)) if (this.#ids.has(serviceId)) found.add(serviceId);
    return [...found];
  }
}
