export { OciExecutor, type OciExecutorOptions } from './executor.js';
export { OciImageStore, type OciImageStoreOptions } from './images/store.js';
