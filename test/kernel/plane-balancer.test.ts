import { describeBalancer } from './balancer-behaviour.js';

describeBalancer('nft', 60);
