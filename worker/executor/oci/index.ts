export { OciImageStore } from './images/store.js';
