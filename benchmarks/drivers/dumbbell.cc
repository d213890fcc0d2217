/* Bulk TCP over a dumbbell in ns-3, for drivers of packets a second: as many senders as receivers, two routers between them. Prints one JSON object:
   the packets that links carried, the seconds of processor time of the simulation, the bytes that arrived.

   dumbbell FLOWS BYTES EDGE_RATE EDGE_DELAY MIDDLE_RATE MIDDLE_DELAY QUEUE SEGMENT BUFFER */
#include <ctime>
#include <iostream>
#include <string>

#include "ns3/applications-module.h"
#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"

using namespace ns3;

static uint64_t carried;

static void
Sent(Ptr<const Packet>)
{
    carried++;
}

static double
Processor()
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static NetDeviceContainer
Join(Ptr<Node> a, Ptr<Node> b, const std::string& rate, const std::string& delay, const std::string& queue)
{
    PointToPointHelper link;
    link.SetDeviceAttribute("DataRate", StringValue(rate));
    link.SetChannelAttribute("Delay", StringValue(delay));
    link.SetQueue("ns3::DropTailQueue", "MaxSize", StringValue(queue + "p"));
    NetDeviceContainer ends = link.Install(a, b);
    for (uint32_t i = 0; i < 2; i++) {
        ends.Get(i)->TraceConnectWithoutContext("PhyTxEnd", MakeCallback(&Sent));
    }
    return ends;
}

int
main(int argc, char* argv[])
{
    if (argc != 10) {
        std::cerr << "dumbbell FLOWS BYTES EDGE_RATE EDGE_DELAY MIDDLE_RATE MIDDLE_DELAY QUEUE SEGMENT BUFFER\n";
        return 2;
    }
    const uint32_t flows = std::stoul(argv[1]);
    const uint64_t bytes = std::stoull(argv[2]);
    Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(std::stoul(argv[8])));
    Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(std::stoul(argv[9])));
    Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(std::stoul(argv[9])));
    Config::SetDefault("ns3::TcpL4Protocol::SocketType", TypeIdValue(TcpNewReno::GetTypeId()));

    NodeContainer routers, left, right;
    routers.Create(2);
    left.Create(flows);
    right.Create(flows);
    InternetStackHelper internet;
    internet.InstallAll();
    Ipv4AddressHelper addresses;
    addresses.SetBase("10.0.0.0", "255.255.255.0");
    addresses.Assign(Join(routers.Get(0), routers.Get(1), argv[5], argv[6], argv[7]));
    ApplicationContainer sinks;
    for (uint32_t i = 0; i < flows; i++) {
        addresses.NewNetwork();
        addresses.Assign(Join(left.Get(i), routers.Get(0), argv[3], argv[4], argv[7]));
        addresses.NewNetwork();
        Ipv4InterfaceContainer ends = addresses.Assign(Join(right.Get(i), routers.Get(1), argv[3], argv[4], argv[7]));
        InetSocketAddress server(ends.GetAddress(0), 7);
        sinks.Add(PacketSinkHelper("ns3::TcpSocketFactory", server).Install(right.Get(i)));
        BulkSendHelper sender("ns3::TcpSocketFactory", server);
        sender.SetAttribute("MaxBytes", UintegerValue(bytes));
        sender.Install(left.Get(i));
    }
    Ipv4GlobalRoutingHelper::PopulateRoutingTables();

    const double began = Processor();
    Simulator::Stop(Seconds(3600));
    Simulator::Run();
    const double spent = Processor() - began;
    uint64_t arrived = 0;
    for (uint32_t i = 0; i < flows; i++) {
        arrived += DynamicCast<PacketSink>(sinks.Get(i))->GetTotalRx();
    }
    std::cout << "{\"packets\": " << carried << ", \"seconds\": " << spent << ", \"bytes\": " << arrived << "}\n";
    Simulator::Destroy();
    return 0;
}
