// Written by tools/gen-rare.mjs from inet_sock_fields.ts, where the fields are explained. Do not edit.

import { Sock } from "../core/sock.ts";
import { INET_SOCK_RARE, InetSockRare } from "./inet_sock_fields.ts";

export class InetSockFields extends Sock {
  private inet_sock_rare: InetSockRare = INET_SOCK_RARE;
  private own_inet_sock_rare(): InetSockRare {
    if (this.inet_sock_rare === INET_SOCK_RARE) this.inet_sock_rare = new InetSockRare();
    return this.inet_sock_rare;
  }

  get inet_opt(): InetSockRare["inet_opt"] {
    return this.inet_sock_rare.inet_opt;
  }
  set inet_opt(v: InetSockRare["inet_opt"]) {
    if (this.inet_sock_rare.inet_opt !== v) this.own_inet_sock_rare().inet_opt = v;
  }
  get recverr(): InetSockRare["recverr"] {
    return this.inet_sock_rare.recverr;
  }
  set recverr(v: InetSockRare["recverr"]) {
    if (this.inet_sock_rare.recverr !== v) this.own_inet_sock_rare().recverr = v;
  }
  get recverr_rfc4884(): InetSockRare["recverr_rfc4884"] {
    return this.inet_sock_rare.recverr_rfc4884;
  }
  set recverr_rfc4884(v: InetSockRare["recverr_rfc4884"]) {
    if (this.inet_sock_rare.recverr_rfc4884 !== v) this.own_inet_sock_rare().recverr_rfc4884 = v;
  }
  get freebind(): InetSockRare["freebind"] {
    return this.inet_sock_rare.freebind;
  }
  set freebind(v: InetSockRare["freebind"]) {
    if (this.inet_sock_rare.freebind !== v) this.own_inet_sock_rare().freebind = v;
  }
  get hdrincl(): InetSockRare["hdrincl"] {
    return this.inet_sock_rare.hdrincl;
  }
  set hdrincl(v: InetSockRare["hdrincl"]) {
    if (this.inet_sock_rare.hdrincl !== v) this.own_inet_sock_rare().hdrincl = v;
  }
  get mc_loop(): InetSockRare["mc_loop"] {
    return this.inet_sock_rare.mc_loop;
  }
  set mc_loop(v: InetSockRare["mc_loop"]) {
    if (this.inet_sock_rare.mc_loop !== v) this.own_inet_sock_rare().mc_loop = v;
  }
  get transparent(): InetSockRare["transparent"] {
    return this.inet_sock_rare.transparent;
  }
  set transparent(v: InetSockRare["transparent"]) {
    if (this.inet_sock_rare.transparent !== v) this.own_inet_sock_rare().transparent = v;
  }
  get mc_all(): InetSockRare["mc_all"] {
    return this.inet_sock_rare.mc_all;
  }
  set mc_all(v: InetSockRare["mc_all"]) {
    if (this.inet_sock_rare.mc_all !== v) this.own_inet_sock_rare().mc_all = v;
  }
  get nodefrag(): InetSockRare["nodefrag"] {
    return this.inet_sock_rare.nodefrag;
  }
  set nodefrag(v: InetSockRare["nodefrag"]) {
    if (this.inet_sock_rare.nodefrag !== v) this.own_inet_sock_rare().nodefrag = v;
  }
  get bind_address_no_port(): InetSockRare["bind_address_no_port"] {
    return this.inet_sock_rare.bind_address_no_port;
  }
  set bind_address_no_port(v: InetSockRare["bind_address_no_port"]) {
    if (this.inet_sock_rare.bind_address_no_port !== v) this.own_inet_sock_rare().bind_address_no_port = v;
  }
  get defer_connect(): InetSockRare["defer_connect"] {
    return this.inet_sock_rare.defer_connect;
  }
  set defer_connect(v: InetSockRare["defer_connect"]) {
    if (this.inet_sock_rare.defer_connect !== v) this.own_inet_sock_rare().defer_connect = v;
  }
  get uc_index(): InetSockRare["uc_index"] {
    return this.inet_sock_rare.uc_index;
  }
  set uc_index(v: InetSockRare["uc_index"]) {
    if (this.inet_sock_rare.uc_index !== v) this.own_inet_sock_rare().uc_index = v;
  }
  get mc_addr(): InetSockRare["mc_addr"] {
    return this.inet_sock_rare.mc_addr;
  }
  set mc_addr(v: InetSockRare["mc_addr"]) {
    if (this.inet_sock_rare.mc_addr !== v) this.own_inet_sock_rare().mc_addr = v;
  }
  get min_ttl(): InetSockRare["min_ttl"] {
    return this.inet_sock_rare.min_ttl;
  }
  set min_ttl(v: InetSockRare["min_ttl"]) {
    if (this.inet_sock_rare.min_ttl !== v) this.own_inet_sock_rare().min_ttl = v;
  }
  get rcv_tos(): InetSockRare["rcv_tos"] {
    return this.inet_sock_rare.rcv_tos;
  }
  set rcv_tos(v: InetSockRare["rcv_tos"]) {
    if (this.inet_sock_rare.rcv_tos !== v) this.own_inet_sock_rare().rcv_tos = v;
  }
  get cmsg_flags(): InetSockRare["cmsg_flags"] {
    return this.inet_sock_rare.cmsg_flags;
  }
  set cmsg_flags(v: InetSockRare["cmsg_flags"]) {
    if (this.inet_sock_rare.cmsg_flags !== v) this.own_inet_sock_rare().cmsg_flags = v;
  }
  get local_port_range(): InetSockRare["local_port_range"] {
    return this.inet_sock_rare.local_port_range;
  }
  set local_port_range(v: InetSockRare["local_port_range"]) {
    if (this.inet_sock_rare.local_port_range !== v) this.own_inet_sock_rare().local_port_range = v;
  }
}
